package scheduler

import "encoding/json"

func marshal(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil { // plain data: can't be
		return nil
	}
	return raw
}
