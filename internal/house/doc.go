// Package house holds the tests of the house itself: which room may import
// which, where unsafe is allowed, that ARCHITECTURE.md names functions that
// exist, how long files are.
package house
