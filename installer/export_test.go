package installer

// What tests look at besides the steps.
var (
	MergeIsolation  = mergeIsolation
	CompareVersions = compareVersions
)

// IntentFile is where an intent lies.
func IntentFile(kind, subject string) string { return intentFile(kind, subject) }

// Pure functions.
var (
	Pick              = pick
	PrerequisiteNames = prerequisiteNames
	ParseUpdateStatus = parseUpdateStatus
)
