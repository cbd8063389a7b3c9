package cases

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"scaleio-framework/test/nodes"
)

// App is a user's application that keeps a text on a volume.
type App struct {
	Volume string
	Text   string
	Writer *nodes.Node
}

// NewApp makes a text that is on no disk yet.
func NewApp(volume string, writer *nodes.Node) App {
	return App{Volume: volume, Text: "the first app was here: " + rand.Text(), Writer: writer}
}

func (s *Stand) user() (user, error) {
	secret, err := os.ReadFile(s.secret("user-secret"))
	if err != nil {
		return user{}, fmt.Errorf("reading the user's secret: %w", err)
	}
	return user{client: s.client(), url: "http://" + masterAddress, secret: string(secret)}, nil
}

// Write runs a task on the writer's node: it puts the text on the new volume,
// which the user never created or mounted.
func (s *Stand) Write(ctx context.Context, app App) error {
	u, err := s.user()
	if err != nil {
		return err
	}
	return u.run(ctx, task{
		name: "write-" + app.Volume, host: app.Writer.Name, volume: app.Volume,
		command: fmt.Sprintf("set -e; mountpoint -q data; echo '%s' > data/text; sync -f data/text", app.Text),
	})
}

// Read runs a task on another node that finds the text.
func (s *Stand) Read(ctx context.Context, app App, reader *nodes.Node) error {
	u, err := s.user()
	if err != nil {
		return err
	}
	return u.run(ctx, task{
		name: "read-" + app.Volume, host: reader.Name, volume: app.Volume,
		command: fmt.Sprintf("set -e; mountpoint -q data; grep -F '%s' data/text", app.Text),
	})
}

// TwoCopies fails unless the app's data are on the disks of exactly two nodes.
func (s *Stand) TwoCopies(app App) error {
	found, err := s.ImagesWith(app.Text)
	if err == nil && len(found) != 2 {
		err = fmt.Errorf("the data are on the disks of %v, not of exactly two nodes", found)
	}
	return err
}

// Others are the nodes beside one.
func (s *Stand) Others(node *nodes.Node) []*nodes.Node {
	return slices.DeleteFunc(slices.Clone(s.Nodes()), func(n *nodes.Node) bool { return n == node })
}

// ReadElsewhere reads what the app wrote on another node while the writer's is
// off. The writer's node is on again after.
func (s *Stand) ReadElsewhere(ctx context.Context, app App) error {
	s.log.Info("stopping the node on which the app ran", "node", app.Writer.Name)
	if err := app.Writer.Stop(ctx); err != nil {
		return err
	}
	reader := s.Others(app.Writer)[0]
	s.log.Info("reading what it wrote on another node", "node", reader.Name)
	err := s.ReadWithin(ctx, app, reader, 60*time.Second)
	if err2 := app.Writer.Start(ctx); err == nil {
		err = err2
	}
	return err
}

// ReadWithin starts the reading task again when it fails, as Marathon would: it
// may come while the cluster is still electing its next master.
func (s *Stand) ReadWithin(ctx context.Context, app App, reader *nodes.Node, limit time.Duration) error {
	return s.retried(ctx, limit, func(ctx context.Context) error { return s.Read(ctx, app, reader) })
}

// WriteWithin starts the writing task again when it fails.
func (s *Stand) WriteWithin(ctx context.Context, app App, limit time.Duration) error {
	return s.retried(ctx, limit, func(ctx context.Context) error { return s.Write(ctx, app) })
}

// retried says once why a task failed, however often it fails for that.
func (s *Stand) retried(ctx context.Context, limit time.Duration, run func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %v", limit))
	defer cancel()
	said := ""
	return Eventually(ctx, func(ctx context.Context) error {
		err := run(ctx)
		if err != nil && err.Error() != said {
			said = err.Error()
			s.log.Info("the task failed and is started again until it runs", "err", err)
		}
		return err
	})
}

// client is an HTTP client inside the cluster's network.
func (s *Stand) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: s.Dial}}
}
