package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// servers are the peers' processes that are kept between runs, so that loading and
// warming up happen once. A server works only while it is asked; two are kept, the
// latest ones, which is enough for a row.
type servers struct{ live []*server }

type server struct {
	key    string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	cancel context.CancelFunc
}

// keep is how many servers may live at once.
const keep = 3

// quiet is how long a peer is left alone after its work: thread pools (OpenBLAS's, OpenMP's) spin
// for some milliseconds in the hope of more. Their spinning is not forbidden, for it
// makes them faster, but it must not take a core from whoever is next.
const quiet = 150 * time.Millisecond

// ask sends a request, one line of JSON, to the server that key names, started with
// argv if need be, and reads the answer into reply.
func (s *servers) ask(ctx context.Context, key string, argv, env []string, request, reply any) error {
	sv, err := s.get(ctx, key, argv, env)
	if err != nil {
		return err
	}
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if _, err := sv.in.Write(append(line, '\n')); err != nil {
		s.drop(sv)
		return fmt.Errorf("%s: %w", key, err)
	}
	answer, err := sv.out.ReadBytes('\n')
	if err != nil {
		s.drop(sv)
		return fmt.Errorf("%s ended: %w", key, err)
	}
	time.Sleep(quiet)
	var failed struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(answer, &failed); err != nil {
		s.drop(sv)
		return fmt.Errorf("%s: %w in %.80q", key, err, answer)
	}
	if failed.Error != "" {
		return fmt.Errorf("%s: %s", key, failed.Error)
	}
	return json.Unmarshal(answer, reply)
}

func (s *servers) get(ctx context.Context, key string, argv, env []string) (*server, error) {
	for i, sv := range s.live {
		if sv.key == key {
			s.live = append(append(s.live[:i:i], s.live[i+1:]...), sv) // latest last
			return sv, nil
		}
	}
	for len(s.live) >= keep {
		s.drop(s.live[0])
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		return nil, fmt.Errorf("%s isn't installed: %w", key, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	sv := &server{key: key, cmd: cmd, in: in, out: bufio.NewReaderSize(out, 1<<16), cancel: cancel}
	s.live = append(s.live, sv)
	return sv, nil
}

func (s *servers) drop(sv *server) {
	for i, x := range s.live {
		if x == sv {
			s.live = append(s.live[:i:i], s.live[i+1:]...)
		}
	}
	sv.in.Close() // the end of its input ends a server
	done := time.AfterFunc(2*time.Second, sv.cancel)
	sv.cmd.Wait()
	done.Stop()
	sv.cancel()
}

func (s *servers) close() {
	for len(s.live) > 0 {
		s.drop(s.live[0])
	}
}
