// Command sarama writes every shape of record with the Go client sarama, in every codec that it has, and prints how many.
//
//	sarama BOOTSTRAP TOPIC,TOPIC LARGE_TOPIC
//
// Each topic gets the same records, in two partitions; the large one gets a record of 10 MiB. The shapes are those of
// Produce.java.
package main

import (
	"fmt"
	"log"
	"math/rand"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

type codec struct {
	codec sarama.CompressionCodec
	level int
}

var codecs = []codec{
	{sarama.CompressionNone, sarama.CompressionLevelDefault},
	{sarama.CompressionGZIP, 1},
	{sarama.CompressionGZIP, 9},
	{sarama.CompressionSnappy, sarama.CompressionLevelDefault},
	{sarama.CompressionLZ4, sarama.CompressionLevelDefault},
	{sarama.CompressionZSTD, 1},
	{sarama.CompressionZSTD, 19},
}

// producer makes one that writes record batches of format v2. An idempotent one has its own rules.
func producer(bootstrap string, with codec, idempotent bool) sarama.SyncProducer {
	config := sarama.NewConfig()
	config.Version = sarama.V2_1_0_0
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Compression = with.codec
	config.Producer.CompressionLevel = with.level
	config.Producer.MaxMessageBytes = 12 << 20
	if idempotent {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
	}
	made, err := sarama.NewSyncProducer([]string{bootstrap}, config)
	if err != nil {
		log.Fatal(err)
	}
	return made
}

func header(key string, value []byte) sarama.RecordHeader {
	return sarama.RecordHeader{Key: []byte(key), Value: value}
}

// encoder is nil for a null, which sarama keeps apart from an empty one.
func encoder(value []byte) sarama.Encoder {
	if value == nil {
		return nil
	}
	return sarama.ByteEncoder(value)
}

func record(topic string, partition int32, key, value []byte) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{Topic: topic, Partition: partition, Key: encoder(key), Value: encoder(value)}
}

func shapes(topic string, many int) []*sarama.ProducerMessage {
	all := []*sarama.ProducerMessage{
		record(topic, 0, nil, nil),
		record(topic, 0, []byte{}, []byte{}),
		record(topic, 0, []byte("no value"), nil),
		record(topic, 0, nil, []byte("no key")),
	}
	headers := record(topic, 0, []byte("headers"), []byte("h"))
	headers.Headers = []sarama.RecordHeader{
		header("a", []byte("1")), header("a", []byte("2")), header("", []byte{}), header("null", nil), header("ключ", []byte("значение")),
	}
	all = append(all, headers)
	now := time.Now()
	for _, at := range []time.Time{
		now, time.UnixMilli(0), time.UnixMilli(1), now.AddDate(-40, 0, 0), now.AddDate(50, 0, 0), now.Add(time.Millisecond),
		time.UnixMilli(253_402_300_800_000),
	} {
		timed := record(topic, 0, []byte(fmt.Sprintf("time %d", at.UnixMilli())), []byte("out of order"))
		timed.Timestamp = at
		all = append(all, timed)
	}
	for i := 0; i < many; i++ {
		value := fmt.Sprintf(`{"n":%d,"text":"%s"}`, i, strings.Repeat("flight ", 1+i%17))
		all = append(all, record(topic, int32(i%2), []byte(fmt.Sprintf("key-%d", i)), []byte(value)))
	}
	return all
}

func main() {
	bootstrap, topics, large := os.Args[1], strings.Split(os.Args[2], ","), os.Args[3]
	records := 0
	for i, with := range codecs {
		to := producer(bootstrap, with, i%2 == 0)
		for _, topic := range topics {
			alone := record(topic, 0, []byte("alone"), []byte(strings.Repeat("x", 200)))
			if _, _, err := to.SendMessage(alone); err != nil {
				log.Fatal(err)
			}
			many := shapes(topic, 1500)
			if err := to.SendMessages(many); err != nil {
				log.Fatal(err)
			}
			records += 1 + len(many)
		}
		_ = to.Close()
	}
	value := make([]byte, 10<<20)
	_, _ = rand.New(rand.NewSource(7)).Read(value)
	for _, with := range []codec{{sarama.CompressionNone, 0}, {sarama.CompressionLZ4, sarama.CompressionLevelDefault}} {
		to := producer(bootstrap, with, true)
		if _, _, err := to.SendMessage(record(large, 0, []byte("large"), value)); err != nil {
			log.Fatal(err)
		}
		_ = to.Close()
	}
	fmt.Printf("{\"records\":%d,\"large\":2}\n", records)
}
