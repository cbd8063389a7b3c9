package dvdcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const within = 10 * time.Minute // the isolator's longest wait, for an unmount

// options are the flags that all commands share.
type options struct {
	driver, name   string
	opts           []string
	explicitCreate bool
}

// Main is the dvdcli program; args are those after its name.
func Main(args []string) int { return run(args, "/", os.Stdout, os.Stderr) }

// run looks for plugins below root.
func run(args []string, root string, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	c := command(root, stdout)
	c.SetArgs(args)
	c.SetOut(stdout)
	c.SetErr(stderr)
	if err := c.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "Error:", err)
		return 1
	}
	return 0
}

func command(root string, stdout io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use: "dvdcli", Short: "Stand-in for dvdcli: asks a Docker volume plugin, for tests and demonstrations",
		SilenceUsage: true, SilenceErrors: true,
	}
	o := &options{}
	flags := c.PersistentFlags()
	flags.StringVar(&o.driver, "volumedriver", "", "name of the plugin")
	flags.StringVar(&o.name, "volumename", "", "name of the volume")
	flags.StringArrayVar(&o.opts, "volumeopts", nil, "option of the volume, key=value, repeated")
	flags.BoolVar(&o.explicitCreate, "explicitCreate", false, "mount only what exists")
	for verb, do := range map[string]func(context.Context, *plugin, *options, io.Writer) error{
		"mount": mount, "create": create, "path": path, "get": get, "list": list,
		"unmount": forName("VolumeDriver.Unmount"), "remove": forName("VolumeDriver.Remove"),
	} {
		c.AddCommand(&cobra.Command{
			Use: verb, Short: verb + " a volume", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				if o.name == "" && verb != "list" {
					return errors.New("missing --volumename")
				}
				if o.driver == "" {
					return errors.New("missing --volumedriver")
				}
				p, err := findPlugin(root, o.driver)
				if err == nil {
					err = p.activate(c.Context())
				}
				if err != nil {
					return err
				}
				return do(c.Context(), p, o, stdout)
			},
		})
	}
	c.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if strings.EqualFold(name, "explicitCreate") { // the documentation has it both ways
			name = "explicitCreate"
		}
		return pflag.NormalizedName(name)
	})
	return c
}

func (o *options) values() (map[string]string, error) {
	values := map[string]string{}
	for _, opt := range o.opts {
		key, value, ok := strings.Cut(opt, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--volumeopts %q isn't key=value", opt)
		}
		values[key] = value
	}
	return values, nil
}

func create(ctx context.Context, p *plugin, o *options, _ io.Writer) error {
	values, err := o.values()
	if err != nil {
		return err
	}
	_, err = p.call(ctx, "VolumeDriver.Create", request{Name: o.name, Opts: values})
	return err
}

// mount creates the volume first unless told otherwise, and prints nothing but where it is.
func mount(ctx context.Context, p *plugin, o *options, stdout io.Writer) error {
	if !o.explicitCreate {
		if err := create(ctx, p, o, stdout); err != nil {
			return err
		}
	}
	a, err := p.call(ctx, "VolumeDriver.Mount", request{Name: o.name})
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, a.Mountpoint)
	return nil
}

func path(ctx context.Context, p *plugin, o *options, stdout io.Writer) error {
	a, err := p.call(ctx, "VolumeDriver.Path", request{Name: o.name})
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, a.Mountpoint)
	return nil
}

func get(ctx context.Context, p *plugin, o *options, stdout io.Writer) error {
	a, err := p.call(ctx, "VolumeDriver.Get", request{Name: o.name})
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(a.Volume)
}

func list(ctx context.Context, p *plugin, _ *options, stdout io.Writer) error {
	a, err := p.call(ctx, "VolumeDriver.List", request{})
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(a.Volumes)
}

func forName(method string) func(context.Context, *plugin, *options, io.Writer) error {
	return func(ctx context.Context, p *plugin, o *options, _ io.Writer) error {
		_, err := p.call(ctx, method, request{Name: o.name})
		return err
	}
}
