package mdm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

const (
	fenceTimeout  = 5 * time.Second  // the SDS lets running writes end first
	deviceTimeout = 30 * time.Second // opening a device and writing its header
	copyTimeout   = 60 * time.Second // one chunk
)

// askSDS sends one control request over a connection of its own.
func askSDS(ctx context.Context, address string, timeout time.Duration, req wire.SDSRequest) (wire.SDSAnswer, error) {
	var answer wire.SDSAnswer
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dialer := net.Dialer{Timeout: mgmt.DialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return answer, fmt.Errorf("connecting to SDS %s: %w", address, err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return answer, fmt.Errorf("asking SDS %s to %s: %w", address, req.Op, err)
	}
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	if err != nil {
		return answer, fmt.Errorf("asking SDS %s to %s: %w", address, req.Op, err)
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return answer, fmt.Errorf("decoding the answer of SDS %s: %w", address, err)
	}
	if answer.Error != "" {
		return answer, &sdsRefusal{answer}
	}
	return answer, nil
}

type sdsRefusal struct{ answer wire.SDSAnswer }

func (r *sdsRefusal) Error() string { return r.answer.Error }

// faultOfSDS is how an SDS's refusal, or its silence, reads to the operator.
func faultOfSDS(err error) error {
	var refusal *sdsRefusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal) && refusal.answer.Code != 0:
		return &mgmt.Fault{Code: refusal.answer.Code, Text: refusal.answer.Error}
	case errors.As(err, &refusal):
		return &mgmt.Fault{Code: mgmt.SDSBusy.Code, Text: refusal.answer.Error}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return mgmt.AddingTooLong
	}
	return mgmt.SDSNotListening
}
