package store

import "fmt"

// Schema of the records that this program writes. It rises when an older program could no longer read one rightly:
//
//	1  the first
//	2  an authority may carry its successor: a program that doesn't know of one would drop it, and with it nodes whose certificates it signed
const Schema = 2

// migrations take a record's value from the schema of their index to the next; nil where the next reads it as it is. What is stored stays as it is until the
// record is written again.
var migrations = [Schema]func(key string, value []byte) ([]byte, error){
	1: nil,
}

func migrate(key string, schema int, value []byte) (_ []byte, err error) {
	for ; schema < Schema; schema++ {
		step := migrations[schema]
		if step == nil {
			continue
		}
		if value, err = step(key, value); err != nil {
			return nil, fmt.Errorf("reading %s: taking it from schema %d to %d: %w", key, schema, schema+1, err)
		}
	}
	return value, nil
}
