package mdm

import (
	"encoding/json"
	"os"
	"sync"
	"time"
)

// injector makes the MDM misbehave as real ones do, told by a file that is read at every call:
//
//	{"calls":[{"id":"a","call":"add-sds","effect":"busy","times":2},
//	          {"id":"b","call":"add-device","effect":"delay","seconds":3},
//	          {"id":"c","call":"create-cluster","effect":"drop-answer","times":1}],
//	 "refuseArgvPassword":true}
//
// An entry without times holds as long as it's there; call "*" means every call. Counting restarts with the process.
type injector struct {
	file string
	mu   sync.Mutex
	used map[string]int
}

type faultFile struct {
	Calls []struct {
		ID      string  `json:"id"`
		Call    string  `json:"call"`
		Effect  string  `json:"effect"` // busy | delay | drop-answer
		Times   int     `json:"times"`
		Seconds float64 `json:"seconds"`
	} `json:"calls"`
	RefuseArgvPassword bool `json:"refuseArgvPassword"`
}

type misbehaviour struct {
	busy, drop, refuseArgv bool
	delay                  time.Duration
}

func (i *injector) next(call string) misbehaviour {
	var m misbehaviour
	raw, err := os.ReadFile(i.file)
	if err != nil {
		return m
	}
	var file faultFile
	if json.Unmarshal(raw, &file) != nil {
		return m
	}
	m.refuseArgv = file.RefuseArgvPassword
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.used == nil {
		i.used = map[string]int{}
	}
	for _, c := range file.Calls {
		key := c.ID + "/" + c.Call + "/" + c.Effect
		if c.Call != call && c.Call != "*" || c.Times > 0 && i.used[key] >= c.Times {
			continue
		}
		i.used[key]++
		switch c.Effect {
		case "busy":
			m.busy = true
		case "delay":
			m.delay += time.Duration(c.Seconds * float64(time.Second))
		case "drop-answer":
			m.drop = true
		}
	}
	return m
}
