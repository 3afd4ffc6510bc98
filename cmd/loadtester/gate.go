package main

import "sync"

// gates are switches that people or pipelines open and close while a rollout asks for their position. They live in
// memory and start closed: a restarted load tester holds rollouts rather than letting them pass.
type gates struct {
	mu   sync.Mutex
	open map[string]bool
}

func newGates() *gates { return &gates{open: map[string]bool{}} }

func (g *gates) set(name string, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open[name] = open
}

func (g *gates) isOpen(name string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open[name]
}
