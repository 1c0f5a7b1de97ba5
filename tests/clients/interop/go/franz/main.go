// Command franz is the client matrix with franz-go.
package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"linkgate.test/interop/matrix"
)

const limit = 20 * time.Second

func client(options ...kgo.Opt) (*kgo.Client, error) {
	options = append(options, kgo.SeedBrokers(matrix.Arg("bootstrap")), kgo.RecordDeliveryTimeout(limit))
	return kgo.NewClient(options...)
}

func sendWith(to *kgo.Client, topic string, from, count int) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	records := make([]*kgo.Record, count)
	for i := range records {
		text := fmt.Sprint(from + i)
		header := kgo.RecordHeader{Key: "n", Value: []byte(text)}
		records[i] = &kgo.Record{Topic: topic, Key: []byte("k" + text), Value: []byte("v" + text), Headers: []kgo.RecordHeader{header}}
	}
	return to.ProduceSync(ctx, records...).FirstErr()
}

func send(topic string, from, count int) error {
	to, err := client()
	if err != nil {
		return err
	}
	defer to.Close()
	return sendWith(to, topic, from, count)
}

func admin() (matrix.Line, error) {
	to, err := client()
	if err != nil {
		return nil, err
	}
	defer to.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	admin, topic := kadm.NewClient(to), matrix.Own("admin")
	if _, err := admin.CreateTopic(ctx, 3, 1, nil, topic); err != nil {
		return nil, err
	}
	listed := func() bool {
		all, err := admin.ListTopics(ctx)
		return err == nil && all.Has(topic)
	}
	if err := matrix.WaitFor("the topic is listed", limit, listed); err != nil {
		return nil, err
	}
	details, err := admin.ListTopics(ctx, topic)
	if err != nil {
		return nil, err
	}
	value := "123456789"
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, topic)
	if err != nil {
		return nil, err
	}
	if altered[0].Err != nil {
		return nil, altered[0].Err
	}
	config := ""
	// A broker learns of it a moment after the controller.
	set := func() bool {
		described, err := admin.DescribeTopicConfigs(ctx, topic)
		if err != nil {
			return false
		}
		at := slices.IndexFunc(described[0].Configs, func(c kadm.Config) bool { return c.Key == "retention.ms" })
		config = described[0].Configs[at].MaybeValue()
		return config == value
	}
	if err := matrix.WaitFor("the config is set", limit, set); err != nil {
		return nil, err
	}
	if _, err := admin.DeleteTopic(ctx, topic); err != nil {
		return nil, err
	}
	err = matrix.WaitFor("the topic is gone", limit, func() bool { return !listed() })
	return matrix.Line{"listed": true, "partitions": len(details[topic].Partitions), "config": config, "deleted": true}, err
}

func produce() (matrix.Line, error) {
	return matrix.Line{"sent": 400}, send(matrix.Own("produce"), 0, 400)
}

func member(m *matrix.Member) error {
	count := func(change int) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			m.Assigned(change * len(partitions[matrix.Own("group")]))
		}
	}
	from, err := client(
		kgo.ConsumerGroup(matrix.Own("group")), kgo.ConsumeTopics(matrix.Own("group")), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(300*time.Millisecond),
		kgo.SessionTimeout(10*time.Second), kgo.OnPartitionsAssigned(count(1)), kgo.OnPartitionsRevoked(count(-1)),
		kgo.OnPartitionsLost(count(-1)), kgo.FetchMaxWait(500*time.Millisecond), kgo.BlockRebalanceOnPoll(),
	)
	if err != nil {
		return err
	}
	defer from.CloseAllowingRebalance()
	for !matrix.Stopped(m.Stop) {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		fetches := from.PollFetches(ctx)
		cancel()
		fetches.EachRecord(func(r *kgo.Record) { m.Read(r.Partition, r.Offset, r.Value) })
		if fetches.NumRecords() > 0 {
			if err := from.CommitUncommittedOffsets(context.Background()); err != nil {
				return err
			}
		}
		from.AllowRebalance()
	}
	return nil
}

func read(r *matrix.Reader) error {
	options := []kgo.Opt{
		kgo.FetchMaxPartitionBytes(r.FetchBytes), kgo.FetchMaxWait(500 * time.Millisecond), kgo.ConsumeTopics(r.Topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	if r.ReadCommitted {
		options = append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if r.Group != "" {
		options = append(options, kgo.ConsumerGroup(r.Group), kgo.DisableAutoCommit())
	}
	from, err := client(options...)
	if err != nil {
		return err
	}
	defer from.Close()
	for !matrix.Stopped(r.Stop) {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		fetches := from.PollFetches(ctx)
		cancel()
		fetches.EachRecord(func(record *kgo.Record) {
			r.Read(record.Topic, record.Offset, record.Value)
			r.Position(record.Topic, record.Offset+1)
		})
	}
	if r.Group != "" {
		return from.CommitUncommittedOffsets(context.Background())
	}
	return nil
}

func transactions() (matrix.Line, error) {
	topic := matrix.Own("transactions")
	to, err := client(kgo.TransactionalID(topic))
	if err != nil {
		return nil, err
	}
	defer to.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	for i := range 3 {
		if err := to.BeginTransaction(); err != nil {
			return nil, err
		}
		if err := sendWith(to, topic, i*20, 20); err != nil {
			return nil, err
		}
		if err := to.EndTransaction(ctx, kgo.TransactionEndTry(i != 1)); err != nil {
			return nil, err
		}
	}
	from, err := client(
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	values, end := []string{}, time.Now().Add(limit)
	for time.Now().Before(end) {
		// What comes after the last one that is expected would be wrong, so there is a moment for it.
		ctx, cancel := context.WithTimeout(context.Background(), 600*time.Millisecond)
		fetches := from.PollFetches(ctx)
		cancel()
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
		if fetches.NumRecords() == 0 && len(values) >= 40 {
			break
		}
	}
	return matrix.Line{"values": values}, nil
}

func refused() (matrix.Line, error) {
	topics, _ := matrix.Mirrors()
	write := send(topics[0], 0, 1)
	to, err := client(kgo.TransactionalID(matrix.Own("refused")))
	if err != nil {
		return nil, err
	}
	defer to.Close()
	if err := to.BeginTransaction(); err != nil {
		return nil, err
	}
	transaction := sendWith(to, topics[0], 0, 1)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	abort := to.EndTransaction(ctx, kgo.TryAbort)
	return matrix.Line{"write": matrix.Text(write), "transaction": matrix.Text(transaction), "abort": matrix.Done(abort)}, nil
}

func main() {
	matrix.Run("github.com/twmb/franz-go", map[string]func() (matrix.Line, error){
		"admin": admin, "produce": produce, "transactions": transactions, "refused": refused,
		"group": func() (matrix.Line, error) { return matrix.Group(send, member) },
		"read":  func() (matrix.Line, error) { return matrix.Read(read) },
	})
}
