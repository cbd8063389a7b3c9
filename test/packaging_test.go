package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/machinetest"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/config"
)

// schemas of others lie beside the repository where it is developed and in CI; they aren't copied into it.
const schemas = "../../shared/schemas"

func TestMarathonApp_fitsMarathonsOwnSchema(t *testing.T) {
	schema := filepath.Join(schemas, "marathon-app.schema.json")
	if _, err := os.Stat(schema); err != nil {
		machinetest.Lacks(t, "Marathon's schema beside the repository: "+err.Error())
	}
	file, err := os.Open(schema)
	require.NoError(t, err)
	defer file.Close()
	document, err := jsonschema.UnmarshalJSON(file)
	require.NoError(t, err)
	document.(map[string]any)["$schema"] = "http://json-schema.org/draft-04/schema#" // it names no draft; its lists of "items" are draft 4's
	compiler := jsonschema.NewCompiler()
	compiler.UseRegexpEngine(lenientPattern)
	require.NoError(t, compiler.AddResource("marathon.json", document))
	compiled, err := compiler.Compile("marathon.json")
	require.NoError(t, err)
	assert.NoError(t, compiled.Validate(marathonApp(t)))

	broken := marathonApp(t)
	broken["instances"] = "one"
	assert.Error(t, compiled.Validate(broken), "the check must be able to fail")
}

func TestMarathonApp_neverRunsTwoSchedulers(t *testing.T) {
	app := marathonApp(t)
	assert.EqualValues(t, 1, app["instances"])
	assert.Equal(t, map[string]any{"minimumHealthCapacity": 0.0, "maximumOverCapacity": 0.0}, app["upgradeStrategy"])
	assert.Equal(t, "true", app["labels"].(map[string]any)["MARATHON_SINGLE_INSTANCE_APP"])
	assert.NotContains(t, app, "constraints", "its state is in ZooKeeper: any host will do, and two are kept apart there")
	assert.Contains(t, app["env"].(map[string]any)["SCALEIO_SCHEDULER_STATE"], "zk://")
}

func TestMarathonApp_carriesNoSecret(t *testing.T) {
	app := marathonApp(t)
	env := app["env"].(map[string]any)
	for _, name := range []string{"SCALEIO_SCHEDULER_ADMIN_PASSWORD", "SCALEIO_SCHEDULER_MESOS_SECRET", "SCALEIO_SCHEDULER_ZK_AUTH", "SCALEIO_SCHEDULER_STATE_KEY",
		"SCALEIO_SCHEDULER_OPERATOR_TOKEN", "SCALEIO_SCHEDULER_READ_TOKEN"} {
		reference, ok := env[name].(map[string]any)
		require.True(t, ok, "%s must be a reference", name)
		assert.Contains(t, app["secrets"], reference["secret"])
	}
	for name, value := range env {
		if text, ok := value.(string); ok {
			assert.NotContains(t, name+"="+text, "PASSWORD=", "a secret by value")
		}
	}
}

// Names and values are those of the real configuration.
func TestMarathonApp_isAConfigurationThatTheSchedulerTakes(t *testing.T) {
	env := []string{"HOST=storage-scheduler.example.com", "PORT0=31000"}
	for name, value := range marathonApp(t)["env"].(map[string]any) {
		text, ok := value.(string)
		if !ok {
			text = "what the secret's reference stands for"
		}
		env = append(env, name+"="+text)
	}
	c, err := config.Load("", pflag.NewFlagSet("run", pflag.ContinueOnError), env)
	require.NoError(t, err)
	assert.Equal(t, ":31000", c.Listen)
	assert.False(t, c.AcceptLicence, "the licence is the operator's to accept")
	assert.Equal(t, api.DiskUseApprove, c.DisksUse)
}

func marathonApp(t *testing.T) map[string]any {
	t.Helper()
	data, err := os.ReadFile("../packaging/marathon/scaleio-framework.json")
	require.NoError(t, err)
	var app map[string]any
	require.NoError(t, json.Unmarshal(data, &app))
	return app
}
