// Package cli is the mica command: one file for each verb.
//
// A verb is a row of [verbs]: its words, the names of its flags, and a
// function that gets a [call] and returns an error. Flags are rows of
// [options], each with its twin in the environment and in the configuration
// file; what is in force is settled in one place before the verb starts.
// Errors become two lines and an exit code in one place after it has ended.
package cli
