package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/zookeeper"
)

// A ZooKeeper store outlives its host. Below its root there are
//
//	lock          ephemeral: who holds the store
//	term          changed by each holder when it takes the lock, in one step with it
//	records/...   one znode per record, as Bolt keeps it; keys with a slash are two levels
//	journal/...   a commit that is too large for one request, on its way into the records
//
// Every write is one request together with a check of lock and term, so that a holder which slept through the end of its session can't write
// any more, whatever it believes.
type ZooKeeper struct {
	client zookeeper.Client
	root   string
	acl    []zookeeper.ACL
	log    *slog.Logger

	request int // bytes of changes that one request may carry

	tenure *tenure
	term   int32 // version of the term's znode that is ours
	stop   context.CancelFunc

	mu      sync.Mutex // one commit at a time
	folders map[string]bool
	broken  error // what is stored isn't known any more: nothing goes on
}

var (
	_ Store  = (*ZooKeeper)(nil)
	_ Tenant = (*ZooKeeper)(nil)
)

// A Tenant is a store that can be lost to another holder while it is open.
type Tenant interface {
	// Held says whether it is certainly still ours. It asks nobody, and costs nothing.
	Held() error
	// Keep waits until ctx ends (nil) or it is lost.
	Keep(ctx context.Context) error
}

// ErrLost: another process may hold the store by now.
var ErrLost = errors.New("the state in ZooKeeper isn't surely ours any more: nothing more is decided here")

// ErrOpen: the znodes aren't protected as they should be, or are protected from us.
var ErrOpen = errors.New("the state in ZooKeeper isn't protected as configured")

// ZooKeeperOptions say where a store is and who may read it.
type ZooKeeperOptions struct {
	URL        string     // zk://host:port,host:port/path
	Auth       api.Secret // user:password; empty = open to everybody
	Session    time.Duration
	MaxRequest int // bytes that one request may have; 0 = ZooKeeper's default

	Waiting func(reason string) // told while it is another's, or can't be reached; nil = nobody
	Log     *slog.Logger
}

// OpenZooKeeper waits until the store is ours: for the ensemble to answer, and for the session of whoever holds it to end.
func OpenZooKeeper(ctx context.Context, o ZooKeeperOptions) (*ZooKeeper, error) {
	servers, root, err := zookeeper.ParseURL(o.URL)
	if err != nil {
		return nil, err
	}
	conn, err := zookeeper.Dial(zookeeper.Options{Servers: servers, Session: o.Session, Log: o.Log})
	if err != nil {
		return nil, err
	}
	acl := zookeeper.OpenACL()
	if !o.Auth.Empty() {
		user, password, _ := strings.Cut(o.Auth.Reveal(), ":")
		acl = zookeeper.DigestACL(user, password)
		if err := authenticate(ctx, conn, o); err != nil {
			conn.Close()
			return nil, err
		}
	}
	z, err := TakeOver(ctx, conn, root, acl, o)
	if err != nil {
		conn.Close()
	}
	return z, err
}

func authenticate(ctx context.Context, conn *zookeeper.Conn, o ZooKeeperOptions) error {
	return patiently(ctx, o, func(ctx context.Context) (string, error) {
		return "", conn.Authenticate(ctx, o.Auth)
	})
}

// TakeOver a store over a client that is connected, or will be.
func TakeOver(ctx context.Context, client zookeeper.Client, root string, acl []zookeeper.ACL, o ZooKeeperOptions) (*ZooKeeper, error) {
	z := &ZooKeeper{client: client, root: root, acl: acl, log: o.Log, folders: map[string]bool{}}
	if z.request = o.MaxRequest; z.request == 0 {
		z.request = zookeeper.MaxRequest
	}
	z.request -= z.request / 16 // room for the frame, the fence and a part's own removal
	err := patiently(ctx, o, z.prepare)
	if err == nil {
		err = patiently(ctx, o, z.take)
	}
	if err == nil {
		err = z.finish(ctx)
	}
	if err != nil {
		if z.stop != nil {
			z.stop()
		}
		return nil, fmt.Errorf("opening the state in ZooKeeper (%s): %w", root, err)
	}
	return z, nil
}

// again is how often a store that isn't ours is looked at, besides what ZooKeeper tells.
const again = time.Second

// patiently tries until it is done, it can't ever be, or ctx ends. A try that isn't done says what it waits for.
func patiently(ctx context.Context, o ZooKeeperOptions, try func(context.Context) (waits string, err error)) error {
	told := ""
	for {
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, o.Session)
		reason, err := try(limited)
		cancel()
		if errors.Is(err, zookeeper.ErrUnknown) {
			reason, err = "ZooKeeper: "+err.Error(), nil
		} else if errors.Is(err, zookeeper.ErrNoAuth) {
			err = fmt.Errorf("%w: %w: is it the user and password that it was made with?", ErrOpen, err)
		}
		if err != nil || reason == "" {
			return err
		}
		if o.Waiting != nil {
			o.Waiting(reason)
		}
		if kind, _, _ := strings.Cut(reason, ":"); kind != told {
			told = kind
			o.Log.Warn("waiting for the state", "reason", reason)
		}
		timer := time.NewTimer(again - time.Since(began)) // a try that watched the lock has waited already
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// prepare makes the znodes that are always there. Those above the root are everybody's; those below are ours alone.
func (z *ZooKeeper) prepare(ctx context.Context) (string, error) {
	parts := strings.Split(strings.TrimPrefix(z.root, "/"), "/")
	for i := range parts {
		acl := zookeeper.OpenACL()
		if i == len(parts)-1 {
			acl = z.acl
		}
		if err := z.ensure(ctx, "/"+strings.Join(parts[:i+1], "/"), acl); err != nil {
			return "", err
		}
	}
	for _, path := range []string{z.path("term"), z.path("records"), z.path("journal")} {
		if err := z.ensure(ctx, path, z.acl); err != nil {
			return "", err
		}
	}
	return "", z.protected(ctx)
}

func (z *ZooKeeper) ensure(ctx context.Context, path string, acl []zookeeper.ACL) error {
	if _, _, err := z.client.Get(ctx, path); !errors.Is(err, zookeeper.ErrNoNode) {
		if errors.Is(err, zookeeper.ErrNoAuth) && path != z.root && !strings.HasPrefix(path, z.root+"/") {
			return nil // it is there, and what is above the root is no business of ours
		}
		return err
	}
	err := z.client.Multi(ctx, zookeeper.Op{Kind: zookeeper.Create, Path: path, ACL: acl})
	if errors.Is(err, zookeeper.ErrNodeExists) { // another scheduler, or we did and weren't told
		return nil
	}
	return err
}

// protected looks whether the records have the protection that was asked for: what was made open stays open, and the cluster's key is there. So it is with the root, whoever
// made it: who may change what is directly below takes the lock away, or puts one there that nobody's session ends.
func (z *ZooKeeper) protected(ctx context.Context) error {
	for _, path := range []string{z.root, z.path("term"), z.path("records"), z.path("journal")} {
		acl, err := z.client.ACL(ctx, path)
		if err != nil {
			return err
		}
		if len(acl) != 1 || acl[0] != z.acl[0] {
			return fmt.Errorf("%w: %s has another ACL than the configuration says (zk-auth-file, zk-open). Start as it was made, or change the ACLs "+
				"of all that is below %s", ErrOpen, path, z.root)
		}
	}
	return nil
}

// holder is what the lock says, for people.
type holder struct {
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// take the lock, and with it the next term. What it gives is whose the store is meanwhile.
func (z *ZooKeeper) take(ctx context.Context) (string, error) {
	asked := time.Now()
	if err := z.client.Sync(ctx, z.root); err != nil {
		return "", err
	}
	raw, lock, err := z.client.Get(ctx, z.path("lock"))
	_, term, termErr := z.client.Get(ctx, z.path("term"))
	if termErr != nil {
		return "", termErr
	}
	session := z.client.Session()
	switch {
	case session.ID == 0:
		return "ZooKeeper: no session", nil
	case err == nil && lock.Owner == 0:
		return fmt.Sprintf("a person: %s is no scheduler's lock, since it ends with no session: somebody put it there; look who, and remove it", z.path("lock")), nil
	case err == nil && lock.Owner == session.ID: // the answer to an earlier try was lost
		z.begin(ctx, term.Version, asked)
		return "", nil
	case err == nil:
		if changed, err := z.watchLock(ctx); err != nil || changed {
			if err != nil {
				return "", err
			}
			return z.take(ctx)
		}
		var h holder
		_ = json.Unmarshal(raw, &h) // for people only
		return fmt.Sprintf("standby: the scheduler on %s (process %d, since %s) holds the state; this one takes over when that one's session in ZooKeeper ends",
			h.Host, h.PID, h.Since.Format(time.RFC3339)), nil
	case !errors.Is(err, zookeeper.ErrNoNode):
		return "", err
	}
	host, _ := os.Hostname()
	mine, err := json.Marshal(holder{host, os.Getpid(), time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return "", err
	}
	err = z.client.Multi(ctx, zookeeper.Op{Kind: zookeeper.CreateEphemeral, Path: z.path("lock"), Data: mine, ACL: z.acl},
		zookeeper.Op{Kind: zookeeper.Set, Path: z.path("term"), Data: mine, Version: term.Version})
	if errors.Is(err, zookeeper.ErrNodeExists) || errors.Is(err, zookeeper.ErrBadVersion) {
		return "standby: another scheduler was faster", nil
	}
	if err != nil {
		return "", err
	}
	z.begin(ctx, term.Version+1, asked)
	return "", nil
}

// begin a tenure, and keep it until Close: loading a large cluster takes longer than a session.
func (z *ZooKeeper) begin(ctx context.Context, term int32, asked time.Time) {
	z.term = term
	z.tenure = newTenure(z.client, z.path("lock"), asked)
	keeping, end := context.WithCancel(context.WithoutCancel(ctx))
	z.stop = end
	go z.tenure.keep(keeping)
}

// watchLock waits until the lock changes, or for a moment.
func (z *ZooKeeper) watchLock(ctx context.Context) (changed bool, err error) {
	told, err := z.client.Watch(ctx, z.path("lock"))
	if err != nil {
		return false, err
	}
	timer := time.NewTimer(again)
	defer timer.Stop()
	select {
	case <-told:
		return true, nil
	case <-timer.C:
	case <-ctx.Done():
	}
	return false, nil
}

// Held as long as the session was confirmed a short time ago.
func (z *ZooKeeper) Held() error { return z.tenure.held() }

// Keep waits for the end of the tenure.
func (z *ZooKeeper) Keep(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-z.tenure.over:
		return z.tenure.held()
	}
}

// Close ends the session, so that the next scheduler needn't wait for its end.
func (z *ZooKeeper) Close() error {
	z.stop()
	z.client.Close()
	return nil
}

func (z *ZooKeeper) path(name string) string { return z.root + "/" + name }

// record's znode. Only the first slash of a key makes a level: kind and what it is of.
func (z *ZooKeeper) record(key string) (path, folder string) {
	kind, rest, two := strings.Cut(key, "/")
	path = z.path("records") + "/" + escape(kind)
	if two {
		return path + "/" + escape(rest), path
	}
	return path, ""
}

// escape makes any text one name of a znode.
func escape(text string) string {
	if strings.Trim(text, ".") == "" { // "." and ".." mean something, and nothing is no name
		return "%" + strings.ReplaceAll(text, ".", "%2E")
	}
	return url.PathEscape(text)
}

func unescape(name string) (string, error) {
	if rest, ok := strings.CutPrefix(name, "%"); ok && strings.Trim(strings.ReplaceAll(rest, "%2E", ""), ".") == "" {
		return strings.ReplaceAll(rest, "%2E", "."), nil
	}
	return url.PathUnescape(name)
}
