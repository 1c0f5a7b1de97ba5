// Command franz writes numbers to a topic and reads them in a group with franz-go, until its input ends; then it prints what was
// acknowledged and read, and every error that the application saw, by kind.
//
//	franz BOOTSTRAP TOPIC
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
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
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
	var protocol *kerr.Error
	switch {
	case errors.As(err, &protocol):
		return protocol.Message
	case errors.Is(err, io.EOF), errors.Is(err, kgo.ErrClientClosed), errors.As(err, &network):
		return "connection"
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

func client(servers []string, options ...kgo.Opt) *kgo.Client {
	options = append(options, kgo.SeedBrokers(servers...), kgo.ClientID("load-franz-go"))
	made, err := kgo.NewClient(options...)
	if err != nil {
		log.Fatal(err)
	}
	return made
}

func write(servers []string, topic string, stop <-chan struct{}) {
	producer := client(servers, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer producer.Close()
	for n := 0; ; n++ {
		select {
		case <-stop:
			if err := producer.Flush(context.Background()); err != nil {
				all.fault("flush", err)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
		n := n
		record := &kgo.Record{Topic: topic, Partition: int32(n % 3), Value: []byte(strconv.Itoa(n))}
		producer.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				all.Lock()
				all.failed++
				all.Unlock()
				all.fault("send", err)
				return
			}
			all.Lock()
			all.acked[n] = true
			all.Unlock()
		})
	}
}

func read(ctx context.Context, servers []string, topic string) {
	consumer := client(servers, kgo.ConsumerGroup("load-"+topic), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer consumer.Close()
	committed := time.Now()
	for ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		fetches := consumer.PollFetches(short)
		cancel()
		fetches.EachError(func(_ string, _ int32, err error) {
			if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
				all.fault("poll", err)
			}
		})
		fetches.EachRecord(func(record *kgo.Record) {
			n, err := strconv.Atoi(string(record.Value))
			if err != nil {
				log.Fatal(err)
			}
			all.Lock()
			if all.seen[n] {
				all.repeated++
			}
			all.seen[n] = true
			all.Unlock()
		})
		if time.Since(committed) > time.Second {
			committed = time.Now()
			// What may be tried again is: a second later.
			if err := consumer.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() == nil && !kerr.IsRetriable(err) {
				all.fault("commit", err)
			}
		}
	}
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
