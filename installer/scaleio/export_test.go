package scaleio

// PasswordPrompt for the tests' own dialogues.
var PasswordPrompt = passwordPrompt()
