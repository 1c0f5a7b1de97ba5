// Command load writes numbers to a topic and reads them in a group with sarama, until its input ends; then it prints what was
// acknowledged and read, and every error that the application saw, by kind.
//
//	load BOOTSTRAP TOPIC
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/IBM/sarama"
)

type result struct {
	sync.Mutex
	acked, seen      map[int]bool
	failed, repeated int
	errors           map[string]int
}

var all = result{acked: map[int]bool{}, seen: map[int]bool{}, errors: map[string]int{}}

// kind of an error. How a connection ends says nothing: a broker that is gone refuses, one that goes resets.
func kind(err error) string {
	var network net.Error
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.As(err, &network) {
		return "connection"
	}
	var protocol sarama.KError
	if errors.As(err, &protocol) {
		return fmt.Sprintf("KError %d", protocol)
	}
	return fmt.Sprintf("%T %s", err, err)
}

func (r *result) fault(where string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", where, err)
	r.Lock()
	r.errors[where+": "+kind(err)]++
	r.Unlock()
}

func (r *result) missing() int {
	r.Lock()
	defer r.Unlock()
	missing := 0
	for n := range r.acked {
		if !r.seen[n] {
			missing++
		}
	}
	return missing
}

type reader struct{}

func (reader) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (reader) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (reader) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		n, err := strconv.Atoi(string(message.Value))
		if err != nil {
			log.Fatal(err)
		}
		all.Lock()
		if all.seen[n] {
			all.repeated++
		}
		all.seen[n] = true
		all.Unlock()
		session.MarkMessage(message, "")
	}
	return nil
}

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "load-sarama"
	config.Version = sarama.V2_8_0_0
	config.Metadata.Retry.Max = 100
	return config
}

func write(servers []string, topic string, stop <-chan struct{}) {
	config := config()
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Retry.Max = 600
	producer, err := sarama.NewAsyncProducer(servers, config)
	if err != nil {
		log.Fatal(err)
	}
	var answers sync.WaitGroup
	answers.Add(2)
	go func() {
		defer answers.Done()
		for sent := range producer.Successes() {
			all.Lock()
			all.acked[sent.Metadata.(int)] = true
			all.Unlock()
		}
	}()
	go func() {
		defer answers.Done()
		for refused := range producer.Errors() {
			all.Lock()
			all.failed++
			all.Unlock()
			all.fault("send", refused.Err)
		}
	}()
	for n := 0; ; n++ {
		select {
		case <-stop:
			producer.AsyncClose()
			answers.Wait()
			return
		case <-time.After(10 * time.Millisecond):
			value := sarama.StringEncoder(strconv.Itoa(n))
			producer.Input() <- &sarama.ProducerMessage{Topic: topic, Partition: int32(n % 3), Value: value, Metadata: n}
		}
	}
}

func read(ctx context.Context, servers []string, topic string) {
	config := config()
	config.Consumer.Return.Errors = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	group, err := sarama.NewConsumerGroup(servers, "load-"+topic, config)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for err := range group.Errors() {
			var consumer *sarama.ConsumerError
			if errors.As(err, &consumer) {
				err = consumer.Err
			}
			all.fault("read", err)
		}
	}()
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{topic}, reader{}); err != nil {
			all.fault("group", err)
			time.Sleep(100 * time.Millisecond)
		}
	}
	_ = group.Close()
}

func main() {
	servers, topic := strings.Split(os.Args[1], ","), os.Args[2]
	stop := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	var writing, reading sync.WaitGroup
	writing.Add(1)
	reading.Add(1)
	go func() { defer writing.Done(); write(servers, topic, stop) }()
	go func() { defer reading.Done(); read(ctx, servers, topic) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
	close(stop)
	writing.Wait()
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && all.missing() > 0; {
		time.Sleep(100 * time.Millisecond)
	}
	cancel()
	reading.Wait()
	said, err := json.Marshal(map[string]any{
		"acked": len(all.acked), "failed": all.failed, "missing": all.missing(), "repeated": all.repeated, "errors": all.errors,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(said))
}
