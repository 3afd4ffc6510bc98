package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// unfinished are the names of files that are being written; no runtime reads such.
const unfinished = ".sluice-cni-*.tmp"

// edit replaces a conflist by what change makes of it, if that is anything else.
func (a *agent) edit(name string, change func([]byte) ([]byte, error)) error {
	path := a.conf(name)
	before, mode, err := readRegular(path)
	if err != nil {
		return err
	}
	after, err := change(before)
	if err != nil {
		return fmt.Errorf("%s is left alone: %w", path, err)
	}
	if bytes.Equal(before, after) {
		return nil
	}
	// Whoever else keeps this file may have replaced it since it was read, and theirs is the newer one.
	unchanged := func() error {
		if now, _, err := readRegular(path); err != nil || !bytes.Equal(now, before) {
			return errors.Join(fmt.Errorf("%s changed while it was being edited", path), err)
		}
		return nil
	}
	if err := replace(path, after, mode, unchanged); err != nil {
		return err
	}
	// Not what is in it: some networks keep secrets there.
	a.log.Info("edited the node's network", "file", path, "bytes", len(after)-len(before))
	return nil
}

// settled says whether change has nothing to do.
func (a *agent) settled(name string, change func([]byte) ([]byte, error)) error {
	path := a.conf(name)
	before, _, err := readRegular(path)
	if err != nil {
		return err
	}
	after, err := change(before)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !bytes.Equal(before, after) {
		return fmt.Errorf("%s is still to be edited", path)
	}
	return nil
}

// putProgram copies this program to the node's plugins, unless it is there.
func (a *agent) putProgram() error {
	same, err := a.programIsOurs()
	if err != nil || same {
		return err
	}
	own, err := ownProgram()
	if err != nil {
		return err
	}
	if err := replace(a.program(), own, 0o755, nil); err != nil {
		return err
	}
	a.log.Info("installed the program", "file", a.program())
	return nil
}

func (a *agent) programIsOurs() (bool, error) {
	there, err := os.ReadFile(a.program())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read the program: %w", err)
	}
	info, err := os.Stat(a.program())
	if err != nil || info.Mode()&0o111 != 0o111 {
		return false, nil
	}
	own, err := ownProgram()
	return bytes.Equal(there, own), err
}

func ownProgram() ([]byte, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read this program: %w", err)
	}
	return text, nil
}

// readRegular refuses symbolic links: what is behind one may be out of reach here, and replacing it would cut it off.
func readRegular(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, 0, fmt.Errorf("read the node's network: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no regular file", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, fmt.Errorf("read the node's network: %w", err)
	}
	return text, info.Mode().Perm(), nil
}

// replace puts a file in the place of another in one step, so that nobody ever reads half of it. What is asked last may
// still prevent it.
func replace(path string, text []byte, mode fs.FileMode, last func() error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), unfinished)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(text)
	err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
	if err == nil && last != nil {
		err = last()
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	return err
}

// removeUnfinished takes away what an agent that was killed left.
func (a *agent) removeUnfinished() {
	for _, dir := range []string{a.confDir, a.binDir} {
		files, _ := filepath.Glob(filepath.Join(dir, unfinished))
		for _, file := range files {
			_ = os.Remove(file)
		}
	}
}
