//go:build !unix

package main

import "errors"

func reserve(int) error { return errors.New("not on this system") }
