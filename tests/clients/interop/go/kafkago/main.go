// Command kafkago is the client matrix with segmentio/kafka-go, which has neither an idempotent producer nor transactions.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"linkgate.test/interop/matrix"
)

const limit = 20 * time.Second

func client() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(matrix.Arg("bootstrap")), Timeout: limit}
}

func send(topic string, from, count int) error {
	to := &kafka.Writer{
		Addr: kafka.TCP(matrix.Arg("bootstrap")), Topic: topic, Balancer: &kafka.Hash{}, RequiredAcks: kafka.RequireAll,
		BatchTimeout: 5 * time.Millisecond, MaxAttempts: 2,
	}
	defer to.Close()
	messages := make([]kafka.Message, count)
	for i := range messages {
		text := fmt.Sprint(from + i)
		header := kafka.Header{Key: "n", Value: []byte(text)}
		messages[i] = kafka.Message{Key: []byte("k" + text), Value: []byte("v" + text), Headers: []kafka.Header{header}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := to.WriteMessages(ctx, messages...)
	var all kafka.WriteErrors
	if errors.As(err, &all) {
		for _, one := range all {
			if one != nil {
				return one
			}
		}
	}
	return err
}

func admin() (matrix.Line, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	admin, topic := client(), matrix.Own("admin")
	made, err := admin.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 3, ReplicationFactor: 1}}})
	if err != nil {
		return nil, err
	}
	if made.Errors[topic] != nil {
		return nil, made.Errors[topic]
	}
	partitions := func() int {
		all, err := admin.Metadata(ctx, &kafka.MetadataRequest{})
		if err != nil {
			return -1
		}
		for _, one := range all.Topics {
			if one.Name == topic {
				return len(one.Partitions)
			}
		}
		return 0
	}
	if err := matrix.WaitFor("the topic is listed", limit, func() bool { return partitions() == 3 }); err != nil {
		return nil, err
	}
	set := kafka.IncrementalAlterConfigsRequestConfig{Name: "retention.ms", Value: "123456789", ConfigOperation: kafka.ConfigOperationSet}
	altered, err := admin.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, Configs: []kafka.IncrementalAlterConfigsRequestConfig{set}},
	}})
	if err != nil {
		return nil, err
	}
	if altered.Resources[0].Error != nil {
		return nil, altered.Resources[0].Error
	}
	config := ""
	// A broker learns of it a moment after the controller.
	isSet := func() bool {
		described, err := admin.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
			{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"retention.ms"}},
		}})
		if err != nil || len(described.Resources) == 0 || len(described.Resources[0].ConfigEntries) == 0 {
			return false
		}
		config = described.Resources[0].ConfigEntries[0].ConfigValue
		return config == "123456789"
	}
	if err := matrix.WaitFor("the config is set", limit, isSet); err != nil {
		return nil, err
	}
	gone, err := admin.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil {
		return nil, err
	}
	if gone.Errors[topic] != nil {
		return nil, gone.Errors[topic]
	}
	err = matrix.WaitFor("the topic is gone", limit, func() bool { return partitions() == 0 })
	return matrix.Line{"listed": true, "partitions": 3, "config": config, "deleted": true}, err
}

func produce() (matrix.Line, error) {
	return matrix.Line{"sent": 400}, send(matrix.Own("produce"), 0, 400)
}

func ctxOf(stop chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-stop
		cancel()
	}()
	return ctx, cancel
}

// A reader does not tell its partitions: the group does.
func assigned(ctx context.Context, m *matrix.Member) {
	for ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond)
		described, err := client().DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{matrix.Own("group")}})
		if err != nil || len(described.Groups) == 0 || described.Groups[0].GroupState != "Stable" {
			continue
		}
		members := described.Groups[0].Members
		if len(members) > 0 && len(members[0].MemberAssignments.Topics) > 0 {
			m.Set(len(members[0].MemberAssignments.Topics[0].Partitions))
		}
	}
}

func member(m *matrix.Member) error {
	from := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{matrix.Arg("bootstrap")}, GroupID: matrix.Own("group"), Topic: matrix.Own("group"), StartOffset: kafka.FirstOffset,
		MaxWait: 500 * time.Millisecond, HeartbeatInterval: 300 * time.Millisecond, SessionTimeout: 10 * time.Second,
		JoinGroupBackoff: 200 * time.Millisecond,
	})
	defer from.Close()
	ctx, cancel := ctxOf(m.Stop)
	defer cancel()
	go assigned(ctx, m)
	for {
		message, err := from.FetchMessage(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		m.Read(int32(message.Partition), message.Offset, message.Value)
		if err := from.CommitMessages(context.Background(), message); err != nil {
			return err
		}
	}
}

func read(r *matrix.Reader) error {
	config := kafka.ReaderConfig{
		Brokers: []string{matrix.Arg("bootstrap")}, StartOffset: kafka.FirstOffset, MaxWait: 500 * time.Millisecond,
		MinBytes: 1, MaxBytes: int(r.FetchBytes), JoinGroupBackoff: 200 * time.Millisecond,
	}
	if r.ReadCommitted {
		config.IsolationLevel = kafka.ReadCommitted
	}
	ctx, cancel := ctxOf(r.Stop)
	defer cancel()
	if r.Group != "" {
		config.GroupID, config.GroupTopics = r.Group, r.Topics
		return readOne(ctx, r, config)
	}
	ended := make(chan error, len(r.Topics))
	for _, topic := range r.Topics {
		config.Topic = topic
		go func(config kafka.ReaderConfig) { ended <- readOne(ctx, r, config) }(config)
	}
	for range r.Topics {
		if err := <-ended; err != nil {
			return err
		}
	}
	return nil
}

func readOne(ctx context.Context, r *matrix.Reader, config kafka.ReaderConfig) error {
	from := kafka.NewReader(config)
	defer from.Close()
	for {
		message, err := from.FetchMessage(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		r.Read(message.Topic, message.Offset, message.Value)
		r.Position(message.Topic, message.Offset+1)
		if r.Group != "" {
			if err := from.CommitMessages(context.Background(), message); err != nil {
				return err
			}
		}
	}
}

func refused() (matrix.Line, error) {
	topics, _ := matrix.Mirrors()
	return matrix.Line{"write": matrix.Text(send(topics[0], 0, 1))}, nil
}

func main() {
	matrix.Run("github.com/segmentio/kafka-go", map[string]func() (matrix.Line, error){
		"admin": admin, "produce": produce, "refused": refused,
		"group": func() (matrix.Line, error) { return matrix.Group(send, member) },
		"read":  func() (matrix.Line, error) { return matrix.Read(read) },
	})
}
