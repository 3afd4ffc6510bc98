package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/sluice-mesh/sluice/cmd/sluice-cni/conflist"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

const (
	// lookAgain is how often the agent looks without having been told of a change, should it have missed one.
	lookAgain = time.Minute
	// pause is the least time between two looks, should somebody insist on their own version of a file.
	pause = 200 * time.Millisecond
	// grace is how long the program outlives its entry: a runtime may have read that a moment ago.
	grace = 5 * time.Second
)

// agent keeps our plugin on a node, or keeps it away.
type agent struct {
	binDir, confDir string
	// confFile is the name of the conflist; empty is the one that runtimes take.
	confFile            string
	absent, keepProgram bool
	log                 *slog.Logger
}

// keep sees to it that everything is as it should be until it is told to stop, and leaves it so.
func (a *agent) keep(ctx context.Context) error {
	watcher, err := fsnotify.NewBufferedWatcher(64)
	if err != nil {
		return fmt.Errorf("watch files: %w", err)
	}
	defer watcher.Close()
	// The folders, because files are replaced and not written.
	for _, dir := range []string{a.confDir, a.binDir} {
		if err := watcher.Add(dir); err != nil {
			return fmt.Errorf("watch %s: %w", dir, err)
		}
	}
	a.removeUnfinished()
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	problem := ""
	for {
		err := a.pass(ctx)
		switch {
		case err != nil && err.Error() != problem: // once, not at every look
			problem = err.Error()
			a.log.Error("it cannot be done yet", "problem", problem)
		case err == nil && problem != "":
			problem = ""
			a.log.Info("it is done now")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-watcher.Events:
		case err := <-watcher.Errors:
			a.log.Error("a change may have been missed", "problem", err.Error())
		}
		for len(watcher.Events) > 0 { // one look is enough for all of them
			<-watcher.Events
		}
	}
}

// pass makes everything as it should be, once. Its order is what never lets a conflist name a program that is not there.
func (a *agent) pass(ctx context.Context) error {
	if a.absent {
		return a.takeAway(ctx)
	}
	if err := a.putProgram(); err != nil {
		return err
	}
	name, err := a.active()
	if err != nil {
		return err
	}
	return a.edit(name, conflist.Add)
}

func (a *agent) takeAway(ctx context.Context) error {
	lists, err := a.lists()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range lists {
		errs = append(errs, a.edit(name, conflist.Remove))
	}
	if err := errors.Join(errs...); err != nil || a.keepProgram {
		return err
	}
	if _, err := os.Stat(a.program()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(grace):
	}
	if err := os.Remove(a.program()); err != nil {
		return fmt.Errorf("remove the program: %w", err)
	}
	a.log.Info("removed the program", "file", a.program())
	return nil
}

// status says whether there is anything left to do.
func (a *agent) status() error {
	if !a.absent {
		if same, err := a.programIsOurs(); err != nil || !same {
			return errors.Join(fmt.Errorf("%s is not there, or not this version", a.program()), err)
		}
		name, err := a.active()
		if err != nil {
			return err
		}
		return a.settled(name, conflist.Add)
	}
	lists, err := a.lists()
	if err != nil {
		return err
	}
	for _, name := range lists {
		if err := a.settled(name, conflist.Remove); err != nil {
			return err
		}
	}
	if _, err := os.Stat(a.program()); err == nil && !a.keepProgram {
		return fmt.Errorf("%s is still there", a.program())
	}
	return nil
}

// active is the name of the conflist that we are to be chained to.
func (a *agent) active() (string, error) {
	names, err := a.names()
	if err != nil {
		return "", err
	}
	name := a.confFile
	if name == "" {
		name = conflist.Active(names)
	}
	switch {
	case name == "":
		return "", fmt.Errorf("%s has no conflist: the node's own network is not installed yet", a.confDir)
	case filepath.Ext(name) != conflist.Suffix:
		return "", fmt.Errorf("%s is one plugin and no list that another could be chained to; name the conflist with --conf-file if it leads to one", a.conf(name))
	}
	return name, nil
}

func (a *agent) lists() ([]string, error) {
	names, err := a.names()
	return conflist.Lists(names), err
}

func (a *agent) names() ([]string, error) {
	entries, err := os.ReadDir(a.confDir)
	if err != nil {
		return nil, fmt.Errorf("list the conflists: %w", err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (a *agent) conf(name string) string { return filepath.Join(a.confDir, name) }

func (a *agent) program() string { return filepath.Join(a.binDir, sluice.CNIPlugin) }
