package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"golang.org/x/sys/unix"
)

// Mesos' defaults of CheckInfo and HealthCheck.
const (
	defaultDelay    = 15 * time.Second
	defaultInterval = 10 * time.Second
	defaultTimeout  = 20 * time.Second
	defaultPeriod   = 10 * time.Second // grace
	defaultFailures = 3
)

func seconds(value *float64, standard time.Duration) time.Duration {
	if value == nil {
		return standard
	}
	return time.Duration(*value * float64(time.Second))
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// emptyCheck is a check's status before its first result.
func emptyCheck(check *v1.CheckInfo) *v1.CheckStatusInfo {
	if check == nil {
		return nil
	}
	kind := check.Type
	status := &v1.CheckStatusInfo{Type: &kind}
	switch kind {
	case v1.CheckInfo_COMMAND:
		status.Command = &v1.CheckStatusInfo_Command{}
	case v1.CheckInfo_HTTP:
		status.HTTP = &v1.CheckStatusInfo_Http{}
	case v1.CheckInfo_TCP:
		status.TCP = &v1.CheckStatusInfo_Tcp{}
	}
	return status
}

// runChecks reports every changed result of the task's check. A check never
// kills.
func (e *Executor) runChecks(ctx context.Context) {
	check := e.task.Check
	if check == nil || !pause(ctx, seconds(check.DelaySeconds, defaultDelay)) {
		return
	}
	reason := v1.REASON_TASK_CHECK_STATUS_UPDATED
	for {
		result := e.checkOnce(ctx, check)
		if ctx.Err() != nil {
			return
		}
		e.mu.Lock()
		changed := !reflect.DeepEqual(e.check, result)
		e.check = result
		e.mu.Unlock()
		if changed {
			e.update(v1.TASK_RUNNING, "", &reason)
		}
		if !pause(ctx, seconds(check.IntervalSeconds, defaultInterval)) {
			return
		}
	}
}

func (e *Executor) checkOnce(ctx context.Context, check *v1.CheckInfo) *v1.CheckStatusInfo {
	ctx, cancel := context.WithTimeout(ctx, seconds(check.TimeoutSeconds, defaultTimeout))
	defer cancel()
	result := emptyCheck(check)
	switch check.Type {
	case v1.CheckInfo_COMMAND:
		if code, err := e.exitCode(ctx, &check.Command.Command); err == nil {
			exit := int32(code)
			result.Command.ExitCode = &exit
		}
	case v1.CheckInfo_HTTP:
		if code, err := get(ctx, check.HTTP.Port, check.HTTP.GetPath()); err == nil {
			status := uint32(code)
			result.HTTP.StatusCode = &status
		}
	case v1.CheckInfo_TCP:
		succeeded := connect(ctx, check.TCP.Port) == nil
		result.TCP.Succeeded = &succeeded
	}
	return result
}

// runHealthChecks reports the first result, changes and every failure, and
// asks for the task's end after too many failures in a row. Failures in the
// grace period don't count until the task has been healthy once.
func (e *Executor) runHealthChecks(ctx context.Context, unhealthy chan<- struct{}) {
	check := e.task.HealthCheck
	if check == nil {
		return
	}
	grace := time.Now().Add(seconds(check.GracePeriodSeconds, defaultPeriod))
	limit := defaultFailures
	if check.ConsecutiveFailures != nil {
		limit = int(*check.ConsecutiveFailures)
	}
	reason := v1.REASON_TASK_HEALTH_CHECK_STATUS_UPDATED
	failures, everHealthy := 0, false
	for next := seconds(check.DelaySeconds, defaultDelay); pause(ctx, next); next = seconds(check.IntervalSeconds, defaultInterval) {
		err := e.healthOnce(ctx, check)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !everHealthy && time.Now().Before(grace) {
			continue
		}
		failures++
		if err == nil {
			failures, everHealthy = 0, true
		}
		if e.noteHealth(err == nil) || err != nil {
			e.update(v1.TASK_RUNNING, "", &reason)
		}
		if err != nil && failures >= limit {
			e.log.Info("health check failed too often", "failures", failures, "err", err)
			unhealthy <- struct{}{}
			return
		}
	}
}

// noteHealth remembers the health and says whether it has changed.
func (e *Executor) noteHealth(healthy bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed := e.healthy == nil || *e.healthy != healthy
	e.healthy = &healthy
	return changed
}

func (e *Executor) healthOnce(ctx context.Context, check *v1.HealthCheck) error {
	ctx, cancel := context.WithTimeout(ctx, seconds(check.TimeoutSeconds, defaultTimeout))
	defer cancel()
	switch {
	case check.Command != nil:
		code, err := e.exitCode(ctx, check.Command)
		if err == nil && code != 0 {
			return fmt.Errorf("command exited with status %d", code)
		}
		return err
	case check.HTTP != nil:
		code, err := get(ctx, check.HTTP.Port, check.HTTP.GetPath())
		if err == nil && (code < 200 || code >= 400) {
			return fmt.Errorf("answered %d", code)
		}
		return err
	case check.TCP != nil:
		return connect(ctx, check.TCP.Port)
	default:
		return errors.New("health check of no known kind")
	}
}

// exitCode runs a check's command like the task's: same sandbox, environment,
// cgroup and mounts.
func (e *Executor) exitCode(ctx context.Context, info *v1.CommandInfo) (int, error) {
	spec := e.spec
	for _, variable := range info.GetEnvironment().GetVariables() {
		spec.Environment = append(spec.Environment[:len(spec.Environment):len(spec.Environment)], variable.Name+"="+variable.GetValue())
	}
	cmd, err := command(info, spec)
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })
	err = cmd.Wait()
	stop()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	default:
		return 0, err
	}
}

// get asks the task on the agent's own host, as Mesos' curl does.
func get(ctx context.Context, port uint32, path string) (int, error) {
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	url := "http://" + net.JoinHostPort("127.0.0.1", strconv.FormatUint(uint64(port), 10)) + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("User-Agent", "curl/7.88.1")
	request.Header.Set("Accept", "*/*")
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, err
}

func connect(ctx context.Context, port uint32) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.FormatUint(uint64(port), 10)))
	if err != nil {
		return err
	}
	return conn.Close()
}
