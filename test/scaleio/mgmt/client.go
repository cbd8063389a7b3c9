package mgmt

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"scaleio-framework/test/scaleio/wire"
)

// ServerName is in every MDM's certificate; which host shows it is checked by trusting the certificate itself, as the product does.
const ServerName = "mdm.scaleio"

// DialTimeout bounds what a dead address in a list costs.
const DialTimeout = time.Second

// Trust holds the certificates a client accepts. Approve is asked about one not yet in it; nil refuses all.
type Trust struct {
	mu      sync.Mutex
	known   map[string]*x509.Certificate
	Approve func(*x509.Certificate) error
}

// Add makes a certificate trusted.
func (t *Trust) Add(certificate *x509.Certificate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[string]*x509.Certificate{}
	}
	t.known[Thumbprint(certificate)] = certificate
}

func (t *Trust) pool() *x509.CertPool {
	t.mu.Lock()
	defer t.mu.Unlock()
	pool := x509.NewCertPool()
	for _, c := range t.known {
		pool.AddCert(c)
	}
	return pool
}

// Thumbprint of a certificate in the product's form: pairs of hex digits with colons.
func Thumbprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	text := strings.ToUpper(hex.EncodeToString(sum[:20]))
	pairs := make([]string, 0, 20)
	for i := 0; i < len(text); i += 2 {
		pairs = append(pairs, text[i:i+2])
	}
	return strings.Join(pairs, ":")
}

// A Conn is one connection to one MDM.
type Conn struct {
	conn   net.Conn
	reader *bufio.Reader
	client string
}

// Dial connects to an address with a port and makes sure that its certificate is trusted.
func Dial(ctx context.Context, client, address string, trust *Trust) (*Conn, error) {
	conn, err := dialTLS(ctx, address, trust)
	var unknown *tls.CertificateVerificationError
	if errors.As(err, &unknown) && trust.Approve != nil && len(unknown.UnverifiedCertificates) > 0 {
		certificate := unknown.UnverifiedCertificates[0]
		if err := trust.Approve(certificate); err != nil {
			return nil, err
		}
		trust.Add(certificate)
		conn, err = dialTLS(ctx, address, trust)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to MDM %s: %w", address, err)
	}
	return &Conn{conn: conn, reader: bufio.NewReader(conn), client: client}, nil
}

func dialTLS(ctx context.Context, address string, trust *Trust) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*DialTimeout)
	defer cancel()
	dialer := net.Dialer{Timeout: DialTimeout} // not a tls.Dialer's, which would end the handshake of a busy MDM as well
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, &tls.Config{RootCAs: trust.pool(), ServerName: ServerName, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secure, nil
}

// Close ends the connection.
func (c *Conn) Close() error { return c.conn.Close() }

// Call sends one command and decodes its result. The MDM's own errors are *Fault; all others mean that the answer is unknown.
func (c *Conn) Call(ctx context.Context, session, cmd string, args, result any) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Minute)
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return fmt.Errorf("calling MDM %s: %w", cmd, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Now()) })
	defer stop()
	raw, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("encoding arguments of %s: %w", cmd, err)
	}
	if err := json.NewEncoder(c.conn).Encode(Request{Client: c.client, Cmd: cmd, Session: session, Args: raw}); err != nil {
		return fmt.Errorf("sending %s to MDM: %w", cmd, err)
	}
	line, err := c.reader.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading MDM's answer to %s: %w", cmd, err)
	}
	var answer Answer
	if err := json.Unmarshal(line, &answer); err != nil {
		return fmt.Errorf("decoding MDM's answer to %s: %w", cmd, err)
	}
	if answer.Fault != nil {
		return answer.Fault
	}
	if result == nil || len(answer.Result) == 0 {
		return nil
	}
	return json.Unmarshal(answer.Result, result)
}

// Address puts the port to a host that has none.
func Address(host string, port int) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// FindMaster connects to all addresses at once and returns the one whose management port is open: only the master's is.
func FindMaster(ctx context.Context, client string, hosts []string, trust *Trust) (*Conn, error) {
	if len(hosts) == 0 {
		return nil, errors.New("finding the master MDM: no addresses configured")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		conn *Conn
		err  error
	}
	outcomes := make(chan outcome, len(hosts))
	for _, host := range hosts {
		go func() {
			conn, err := Dial(ctx, client, Address(host, wire.PortMDMManagement), trust)
			outcomes <- outcome{conn, err}
		}()
	}
	var found *Conn
	var failures []error
	for range hosts {
		o := <-outcomes
		switch {
		case o.err != nil:
			failures = append(failures, o.err)
		case found == nil:
			found = o.conn
			cancel()
		default:
			_ = o.conn.Close()
		}
	}
	if found == nil {
		return nil, fmt.Errorf("finding the master MDM: %w", errors.Join(failures...))
	}
	return found, nil
}
