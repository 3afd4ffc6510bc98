// Package manifest takes the names of files and directories and gives the Kubernetes objects in them, with a problem for
// each document that is none.
package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Stdin stands for standard input in a list of paths.
const Stdin = "-"

// Reader says what to read and how to take it.
type Reader struct {
	// Stdin is read for the path Stdin.
	Stdin io.Reader
	// Wanted says which kinds matter; nothing is said about objects of others.
	Wanted func(schema.GroupKind) bool
	// Namespace is that of objects that have none, as with kubectl apply -n.
	Namespace string
	// ClusterScoped says which kinds have no namespace.
	ClusterScoped func(schema.GroupKind) bool
}

// Problem is something that was passed over.
type Problem struct {
	// Source is the file, with the number of the document if it has several.
	Source string
	Err    error
}

func (p Problem) String() string { return p.Source + ": " + p.Err.Error() }

// Open reads the files. Directories are walked for .yaml, .yml and .json; those whose names start with a dot are left out.
// The error is that not everything that was named could be read.
func (r Reader) Open(paths []string) ([]Document, error) {
	files, err := expand(paths)
	if err != nil {
		return nil, err
	}
	var out []Document
	for _, path := range files {
		text, err := r.open(path)
		if err != nil {
			return nil, err
		}
		if path == Stdin {
			path = "standard input"
		}
		out = append(out, documents(path, text)...)
	}
	return out, nil
}

// Located is an object, and where it was found.
type Located struct {
	Object *unstructured.Unstructured
	// Source is the file, with the number of the document if it has several.
	Source string
}

// Objects gives the objects in the documents. Where two have the same object, the later counts, as it would for kubectl
// apply.
func (r Reader) Objects(documents []Document) ([]*unstructured.Unstructured, []Problem) {
	located, problems := r.Located(documents)
	out := make([]*unstructured.Unstructured, 0, len(located))
	for _, l := range located {
		out = append(out, l.Object)
	}
	return out, problems
}

// Located is Objects with the places.
func (r Reader) Located(documents []Document) ([]Located, []Problem) {
	c := &collector{Reader: r, at: map[key]int{}}
	for _, document := range documents {
		objects, problems := document.Objects()
		c.problems = append(c.problems, problems...)
		for _, object := range objects {
			c.object(object)
		}
	}
	return c.found, c.problems
}

func (r Reader) open(path string) ([]byte, error) {
	if path == Stdin {
		text, err := io.ReadAll(r.Stdin)
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return text, nil
	}
	return os.ReadFile(path)
}

// expand replaces directories by the files below them. A file that is named twice is read once.
func expand(paths []string) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	add := func(path string) {
		if !seen[filepath.Clean(path)] {
			seen[filepath.Clean(path)] = true
			out = append(out, path)
		}
	}
	for _, path := range paths {
		if path == Stdin {
			add(path)
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			add(path)
			continue
		}
		below, err := walk(path)
		if err != nil {
			return nil, err
		}
		if len(below) == 0 {
			return nil, fmt.Errorf("no file below %s ends in %s", path, strings.Join(extensions, ", "))
		}
		for _, file := range below {
			add(file)
		}
	}
	return out, nil
}

var extensions = []string{".yaml", ".yml", ".json"}

func walk(root string) ([]string, error) {
	var out []string
	// With a separator at its end, a link to a directory is the directory.
	err := filepath.WalkDir(root+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), ".") && filepath.Clean(path) != filepath.Clean(root)
		switch {
		case entry.IsDir() && hidden:
			return filepath.SkipDir
		case entry.IsDir() || hidden || !slices.Contains(extensions, filepath.Ext(path)):
			return nil
		}
		// A link may lead to a directory, or nowhere.
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			out = append(out, filepath.Clean(path))
		}
		return nil
	})
	return out, err
}

// key is what makes an object one and the same. Its version does not.
type key struct {
	kind            schema.GroupKind
	namespace, name string
}

func (k key) String() string {
	return strings.Join(slices.DeleteFunc([]string{k.kind.Kind, k.namespace, k.name}, func(s string) bool { return s == "" }), "/")
}

// collector gathers the objects of all files.
type collector struct {
	Reader
	found    []Located
	at       map[key]int
	problems []Problem
}

func (c *collector) problem(source string, err error) {
	c.problems = append(c.problems, Problem{Source: source, Err: err})
}

func (c *collector) object(object Object) {
	source, u := object.Source, &unstructured.Unstructured{Object: object.Content}
	if u.GetKind() == "" || u.GetAPIVersion() == "" {
		// Files of other tools lie in such directories too. Half of a type is somebody's mistake.
		if u.GetKind() != "" || u.GetAPIVersion() != "" {
			c.problem(source, errors.New("an object needs apiVersion and kind, and this has only one of them"))
		}
		return
	}
	kind := u.GroupVersionKind().GroupKind()
	if !c.Wanted(kind) {
		return
	}
	if err := readable(object.Content); err != nil {
		c.problem(source, fmt.Errorf("%s: %w", kind.Kind, err))
		return
	}
	switch {
	case c.ClusterScoped(kind):
		u.SetNamespace("")
	case u.GetNamespace() == "":
		u.SetNamespace(c.Namespace)
	}
	c.keep(source, u)
}

// readable looks at what everything else relies on.
func readable(content map[string]any) error {
	metadata, ok := content["metadata"].(map[string]any)
	if !ok {
		return errors.New("metadata: an object needs it")
	}
	if name, ok := metadata["name"].(string); !ok || name == "" {
		return errors.New("metadata.name: an object in a file needs a name, which is a string")
	}
	if namespace, given := metadata["namespace"]; given && namespace != nil {
		if _, ok := namespace.(string); !ok {
			return errors.New("metadata.namespace: this is a string")
		}
	}
	return nil
}

// keep puts the object in the place of an earlier one of the same name.
func (c *collector) keep(source string, u *unstructured.Unstructured) {
	k := key{kind: u.GroupVersionKind().GroupKind(), namespace: u.GetNamespace(), name: u.GetName()}
	i, twice := c.at[k]
	if !twice {
		c.at[k] = len(c.found)
		c.found = append(c.found, Located{Object: u, Source: source})
		return
	}
	c.problem(source, fmt.Errorf("%s is in %s too, and this one counts; remove one of them", k, c.found[i].Source))
	c.found[i] = Located{Object: u, Source: source}
}
