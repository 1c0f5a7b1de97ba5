package matrix

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

// Reader is one variant of the read step.
type Reader struct {
	Topics        []string
	Group         string // empty: assign
	FetchBytes    int32
	ReadCommitted bool
	Stop          chan struct{}

	mutex     sync.Mutex
	records   map[string][][2]any
	count     int
	positions map[string]int64
	failed    error
	ended     chan struct{}
}

// Read takes in a record.
func (r *Reader) Read(topic string, offset int64, value []byte) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.records[topic] = append(r.records[topic], [2]any{offset, string(value)})
	r.count++
}

// Position takes in where the reader would read on.
func (r *Reader) Position(topic string, offset int64) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.positions[topic] = offset
}

func (r *Reader) waiting(expected int) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.count < expected && r.failed == nil
}

// Stopped is whether Stop is closed.
func Stopped(stop chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// Read runs the read step. consume reads until Stop is closed, and then commits where it has a group.
func Read(consume func(*Reader) error) (Line, error) {
	topics, expected := Mirrors()
	readers := map[string]*Reader{}
	for _, variant := range []string{"assign", "assign-small", "group", "group-small"} {
		reader := &Reader{
			Topics: topics, FetchBytes: 1 << 20, ReadCommitted: true, Stop: make(chan struct{}),
			records: map[string][][2]any{}, positions: map[string]int64{}, ended: make(chan struct{}),
		}
		if strings.HasPrefix(variant, "group") {
			reader.Group, reader.ReadCommitted = Own("read-"+variant), false
		}
		if strings.HasSuffix(variant, "small") {
			reader.FetchBytes = 1024
		}
		readers[variant] = reader
		go func() {
			_, err := guarded(func() (Line, error) { return nil, consume(reader) })
			reader.mutex.Lock()
			reader.failed = err
			reader.mutex.Unlock()
			close(reader.ended)
		}()
	}
	end := time.Now().Add(25 * time.Second)
	for _, reader := range readers {
		for time.Now().Before(end) && reader.waiting(expected) {
			time.Sleep(50 * time.Millisecond)
		}
	}
	// Whoever has to step over filler at the end of a log shall have done so.
	time.Sleep(time.Second)
	say(Line{"tail": "begin"})
	tail, _ := strconv.Atoi(args["tail"])
	time.Sleep(time.Duration(tail) * time.Millisecond)
	say(Line{"tail": "end"})
	for _, reader := range readers {
		close(reader.Stop)
	}
	variants := Line{}
	for variant, reader := range readers {
		said := Line{}
		select {
		case <-reader.ended:
			if reader.failed != nil {
				said["error"] = reader.failed.Error()
			}
		case <-time.After(15 * time.Second):
			said["error"] = "it did not end"
		}
		reader.mutex.Lock()
		said["records"], said["positions"] = reader.records, reader.positions
		reader.mutex.Unlock()
		variants[variant] = said
	}
	return Line{"variants": variants}, nil
}
