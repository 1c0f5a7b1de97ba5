// Package matrix is what the Go programs of the client matrix have in common: arguments, JSON lines, the group step and the
// read step. What each step does and prints stands in tests/src/interop/mod.rs.
package matrix

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Part is the number of records in each of the three parts of the group step.
const Part = 120

// Line is what a step says.
type Line map[string]any

var args = map[string]string{}
var printing sync.Mutex

// Arg is an argument of the program.
func Arg(name string) string { return args[name] }

// Own is a name with the client's prefix.
func Own(suffix string) string { return args["name"] + "-" + suffix }

func say(line Line) {
	printing.Lock()
	defer printing.Unlock()
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

// Run runs the steps that were asked for; module is the library, whose version is told.
func Run(module string, steps map[string]func() (Line, error)) {
	for _, arg := range os.Args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		args[key] = value
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range build.Deps {
			if dependency.Path == module {
				say(Line{"version": dependency.Version})
			}
		}
	}
	for _, name := range strings.Split(args["steps"], ",") {
		line, err := Line{"na": true}, error(nil)
		if step, ok := steps[name]; ok {
			line, err = guarded(step)
		}
		if err != nil {
			line = Line{"error": err.Error()}
		}
		line["step"] = name
		say(line)
	}
}

func guarded(step func() (Line, error)) (line Line, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = fmt.Errorf("panic: %v\n%s", caught, debug.Stack())
		}
	}()
	return step()
}

// WaitFor waits until done.
func WaitFor(what string, limit time.Duration, done func() bool) error {
	begin := time.Now()
	for !done() {
		if time.Since(begin) > limit {
			return fmt.Errorf("not within %v: %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// Text is "accepted" or the error.
func Text(err error) string {
	if err == nil {
		return "accepted"
	}
	return err.Error()
}

// Done is "ok" or the error.
func Done(err error) string {
	if err == nil {
		return "ok"
	}
	return err.Error()
}

// Member is a member of the group: what it has read, and how many partitions it has (as far as the client tells).
type Member struct {
	mutex    sync.Mutex
	records  [][3]any
	assigned int
	Stop     chan struct{}
	ended    chan error
}

// Read takes in a record.
func (m *Member) Read(partition int32, offset int64, value []byte) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.records = append(m.records, [3]any{partition, offset, string(value)})
}

// Assigned adds to the number of its partitions, Set sets it.
func (m *Member) Assigned(change int) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.assigned += change
}

// Set sets the number of its partitions.
func (m *Member) Set(assigned int) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.assigned = assigned
}

func (m *Member) has() (records, assigned int) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.records), m.assigned
}

func start(consume func(*Member) error) *Member {
	m := &Member{Stop: make(chan struct{}), ended: make(chan error, 1)}
	go func() { m.ended <- consume(m) }()
	return m
}

func (m *Member) finish() error {
	close(m.Stop)
	select {
	case err := <-m.ended:
		return err
	case <-time.After(15 * time.Second):
		return fmt.Errorf("a member did not leave")
	}
}

// Group runs the group step. consume reads NAME-group until Stop is closed and commits what it has read before it reads on.
func Group(send func(topic string, from, count int) error, consume func(*Member) error) (Line, error) {
	topic, limit := Own("group"), 20*time.Second
	if err := send(topic, 0, Part); err != nil {
		return nil, err
	}
	first := start(consume)
	var second *Member
	read := func() int {
		all, _ := first.has()
		if second != nil {
			more, _ := second.has()
			all += more
		}
		return all
	}
	steps := []func() error{
		func() error { return WaitFor("the first part is read", limit, func() bool { return read() >= Part }) },
		func() error {
			second = start(consume)
			return WaitFor("both have partitions", limit, func() bool {
				_, one := first.has()
				_, two := second.has()
				return one == 2 && two == 2
			})
		},
		func() error { return send(topic, Part, Part) },
		func() error {
			return WaitFor("the second part is read", limit, func() bool { return read() >= 2*Part })
		},
		func() error { return second.finish() },
		func() error {
			return WaitFor("the first has all partitions", limit, func() bool {
				_, one := first.has()
				return one == 4
			})
		},
		func() error { return send(topic, 2*Part, Part) },
		func() error { return WaitFor("the third part is read", limit, func() bool { return read() >= 3*Part }) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	time.Sleep(300 * time.Millisecond)
	if err := first.finish(); err != nil {
		return nil, err
	}
	return Line{"first": first.records, "second": second.records}, nil
}

// Mirrors are the mirror topics, and how many records they show in all.
func Mirrors() (topics []string, records int) {
	for _, mirror := range strings.Split(args["mirrors"], ",") {
		topic, count, _ := strings.Cut(mirror, ":")
		number, _ := strconv.Atoi(count)
		topics, records = append(topics, topic), records+number
	}
	return topics, records
}
