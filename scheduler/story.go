package scheduler

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/store"
)

// A story is a long run of events, in records of a hundred each: one of a thousand would be larger than a record may be. The oldest hundred go first.
type story struct {
	events []api.Event
	from   int // how many came before events[0]: whole records
}

const (
	perChapter  = 100
	maxChapters = 10
)

func chapterName(n int) string { return fmt.Sprintf("%06d", n) }

// add an event; the records that are to be stored anew, or deleted, are named.
func (s *story) add(e api.Event) (touched []string) {
	touched = append(touched, chapterName((s.from+len(s.events))/perChapter))
	if s.events = append(s.events, e); len(s.events) > perChapter*maxChapters {
		touched = append(touched, chapterName(s.from/perChapter))
		s.events = append([]api.Event(nil), s.events[perChapter:]...)
		s.from += perChapter
	}
	return touched
}

// chapter as it is to be stored; nil if it is no more.
func (s *story) chapter(name string) any {
	n, err := strconv.Atoi(name)
	first := n*perChapter - s.from
	if err != nil || first < 0 || first >= len(s.events) {
		return nil
	}
	return s.events[first:min(first+perChapter, len(s.events))]
}

// recall a chapter from the store. They come in order, and none is missing between the first and the last.
func (s *story) recall(rec store.Record, kind string) error {
	n, err := strconv.Atoi(strings.TrimPrefix(rec.Key, kind))
	var events []api.Event
	if err == nil {
		err = json.Unmarshal(rec.Value, &events)
	}
	switch {
	case err != nil:
		return err
	case len(s.events) == 0:
		s.from = n * perChapter
	case s.from+len(s.events) != n*perChapter:
		return fmt.Errorf("%w (events before it are missing)", store.ErrCorrupt)
	}
	s.events = append(s.events, events...)
	return nil
}
