// Command sarama is the client matrix with sarama.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"linkgate.test/interop/matrix"
)

const limit = 20 * time.Second

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Transaction.Retry.Max = 3
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.MaxWaitTime = 500 * time.Millisecond
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	config.Consumer.Group.Session.Timeout = 10 * time.Second
	config.Consumer.Return.Errors = true
	return config
}

func servers() []string { return []string{matrix.Arg("bootstrap")} }

func producer(transaction string) (sarama.SyncProducer, error) {
	config := config()
	config.Producer.Transaction.ID = transaction
	return sarama.NewSyncProducer(servers(), config)
}

func sendWith(to sarama.SyncProducer, topic string, from, count int) error {
	messages := make([]*sarama.ProducerMessage, count)
	for i := range messages {
		text := fmt.Sprint(from + i)
		messages[i] = &sarama.ProducerMessage{
			Topic: topic, Key: sarama.StringEncoder("k" + text), Value: sarama.StringEncoder("v" + text),
			Headers: []sarama.RecordHeader{{Key: []byte("n"), Value: []byte(text)}},
		}
	}
	err := to.SendMessages(messages)
	if all, ok := err.(sarama.ProducerErrors); ok && len(all) > 0 {
		return all[0].Err
	}
	return err
}

func send(topic string, from, count int) error {
	to, err := producer("")
	if err != nil {
		return err
	}
	defer to.Close()
	return sendWith(to, topic, from, count)
}

func admin() (matrix.Line, error) {
	admin, err := sarama.NewClusterAdmin(servers(), config())
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	topic, value := matrix.Own("admin"), "123456789"
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}, false); err != nil {
		return nil, err
	}
	listed := func() bool {
		all, err := admin.ListTopics()
		_, there := all[topic]
		return err == nil && there
	}
	if err := matrix.WaitFor("the topic is listed", limit, listed); err != nil {
		return nil, err
	}
	described, err := admin.DescribeTopics([]string{topic})
	if err != nil {
		return nil, err
	}
	set := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}
	if err := admin.IncrementalAlterConfig(sarama.TopicResource, topic, set, false); err != nil {
		return nil, err
	}
	config := ""
	// A broker learns of it a moment after the controller.
	isSet := func() bool {
		entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"}})
		if err != nil || len(entries) == 0 {
			return false
		}
		config = entries[0].Value
		return config == value
	}
	if err := matrix.WaitFor("the config is set", limit, isSet); err != nil {
		return nil, err
	}
	if err := admin.DeleteTopic(topic); err != nil {
		return nil, err
	}
	err = matrix.WaitFor("the topic is gone", limit, func() bool { return !listed() })
	return matrix.Line{"listed": true, "partitions": len(described[0].Partitions), "config": config, "deleted": true}, err
}

func produce() (matrix.Line, error) {
	return matrix.Line{"sent": 400}, send(matrix.Own("produce"), 0, 400)
}

// handler of a consumer group.
type handler struct {
	assigned func(int)
	read     func(*sarama.ConsumerMessage)
	// when all is read that has come; otherwise when the session ends. A commit waits for the fetch before it.
	commit bool
}

func (h handler) Setup(session sarama.ConsumerGroupSession) error {
	count := 0
	for _, partitions := range session.Claims() {
		count += len(partitions)
	}
	h.assigned(count)
	return nil
}

func (h handler) Cleanup(session sarama.ConsumerGroupSession) error {
	h.assigned(0)
	session.Commit()
	return nil
}

func (h handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		h.read(message)
		session.MarkMessage(message, "")
		if h.commit && len(claim.Messages()) == 0 {
			session.Commit()
		}
	}
	return nil
}

func consumeGroup(name string, topics []string, config *sarama.Config, stop chan struct{}, with handler) error {
	group, err := sarama.NewConsumerGroup(servers(), name, config)
	if err != nil {
		return err
	}
	failed := make(chan error, 100)
	go func() {
		for err := range group.Errors() {
			select {
			case failed <- err:
			default:
			}
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-stop
		cancel()
	}()
	for ctx.Err() == nil {
		if err := group.Consume(ctx, topics, with); err != nil && ctx.Err() == nil {
			return err
		}
	}
	if err := group.Close(); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func member(m *matrix.Member) error {
	topic := matrix.Own("group")
	read := func(message *sarama.ConsumerMessage) { m.Read(message.Partition, message.Offset, message.Value) }
	return consumeGroup(topic, []string{topic}, config(), m.Stop, handler{m.Set, read, true})
}

func read(r *matrix.Reader) error {
	config := config()
	config.Consumer.Fetch.Default = r.FetchBytes
	if r.ReadCommitted {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	take := func(message *sarama.ConsumerMessage) { r.Read(message.Topic, message.Offset, message.Value) }
	if r.Group != "" {
		return consumeGroup(r.Group, r.Topics, config, r.Stop, handler{func(int) {}, take, false})
	}
	consumer, err := sarama.NewConsumer(servers(), config)
	if err != nil {
		return err
	}
	defer consumer.Close()
	failed := make(chan error, 100)
	for _, topic := range r.Topics {
		partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		defer partition.AsyncClose()
		go func() {
			for message := range partition.Messages() {
				take(message)
			}
		}()
		go func() {
			for err := range partition.Errors() {
				failed <- err
			}
		}()
	}
	select {
	case err := <-failed:
		return err
	case <-r.Stop:
		return nil
	}
}

func transactions() (matrix.Line, error) {
	topic := matrix.Own("transactions")
	to, err := producer(topic)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	for i := range 3 {
		if err := to.BeginTxn(); err != nil {
			return nil, err
		}
		if err := sendWith(to, topic, i*20, 20); err != nil {
			return nil, err
		}
		end := to.CommitTxn
		if i == 1 {
			end = to.AbortTxn
		}
		if err := end(); err != nil {
			return nil, err
		}
	}
	config := config()
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	consumer, err := sarama.NewConsumer(servers(), config)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	defer partition.AsyncClose()
	values := []string{}
	for {
		// What comes after the last one that is expected would be wrong, so there is a moment for it.
		wait := limit
		if len(values) >= 40 {
			wait = time.Second
		}
		select {
		case message := <-partition.Messages():
			values = append(values, string(message.Value))
		case err := <-partition.Errors():
			return nil, err
		case <-time.After(wait):
			return matrix.Line{"values": values}, nil
		}
	}
}

func refused() (matrix.Line, error) {
	topics, _ := matrix.Mirrors()
	write := send(topics[0], 0, 1)
	to, err := producer(matrix.Own("refused"))
	if err != nil {
		return nil, err
	}
	defer to.Close()
	if err := to.BeginTxn(); err != nil {
		return nil, err
	}
	transaction := sendWith(to, topics[0], 0, 1)
	abort := to.AbortTxn()
	return matrix.Line{"write": matrix.Text(write), "transaction": matrix.Text(transaction), "abort": matrix.Done(abort)}, nil
}

func main() {
	matrix.Run("github.com/IBM/sarama", map[string]func() (matrix.Line, error){
		"admin": admin, "produce": produce, "transactions": transactions, "refused": refused,
		"group": func() (matrix.Line, error) { return matrix.Group(send, member) },
		"read":  func() (matrix.Line, error) { return matrix.Read(read) },
	})
}
