package canary

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// configKinds are the kinds of tracked configuration. Of these only the metadata is watched: the content, which may be
// secret and large, is read when the metadata says that it changed, and only its hash is kept.
var configKinds = map[string]schema.GroupVersionKind{"ConfigMap": kindConfigMap, "Secret": kindSecret}

// previousSuffix is appended to a copy's name for what it held before its last change. A promotion that fails takes it
// back from there, for by then the source may hold anything.
const previousSuffix = "-previous"

// configs knows the hashes of ConfigMaps and Secrets by version.
type configs struct {
	// reader reads from the API server itself.
	reader client.Reader

	mu    sync.Mutex
	known map[object]configVersion
}

// configVersion is what is known of one version of an object.
type configVersion struct {
	uid             types.UID
	resourceVersion string
	secretType      string
	hash            string
	flaggerHash     string
	written         time.Time // by us; zero otherwise
}

func newConfigs(reader client.Reader) *configs {
	return &configs{reader: reader, known: map[object]configVersion{}}
}

func (c *configs) remember(o object, u *unstructured.Unstructured, written time.Time) configVersion {
	secretType, _, _ := unstructured.NestedString(u.Object, "type")
	v := configVersion{
		uid: u.GetUID(), resourceVersion: u.GetResourceVersion(),
		secretType: secretType, hash: canary.ConfigHash(u.Object), flaggerHash: canary.FlaggerConfigHash(u.Object), written: written,
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[o] = v
	return v
}

// gone forgets an object.
func (c *configs) gone(o object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, o)
}

// content reads an object from the API server; nil for none.
func (c *configs) content(ctx context.Context, o object) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(o.GroupVersionKind)
	err := c.reader.Get(ctx, o.NamespacedName, u)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", o, err)
	}
	return u, nil
}

// seeMeta reads the watched metadata of an object; nil for none.
func (s *shell) seeMeta(ctx context.Context, o object) (*metav1.PartialObjectMetadata, error) {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(o.GroupVersionKind)
	err := s.store.client.Get(ctx, o.NamespacedName, meta)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the metadata of %s: %w", o, err)
	}
	return meta, nil
}

// version says what an object holds; it asks the API server only about a version that it does not know. False: there is
// no such object.
func (s *shell) version(ctx context.Context, o object, meta *metav1.PartialObjectMetadata) (configVersion, bool, error) {
	s.configs.mu.Lock()
	known, ok := s.configs.known[o]
	s.configs.mu.Unlock()
	if ok && (meta == nil || newer(known, meta)) && time.Since(known.written) < writtenFor {
		return known, true, nil // we wrote it, and the watch has not told yet
	}
	if meta == nil {
		return configVersion{}, false, nil
	}
	if ok && known.uid == meta.UID && known.resourceVersion == meta.ResourceVersion {
		return known, true, nil
	}
	u, err := s.configs.content(ctx, o)
	if u == nil || err != nil {
		return configVersion{}, false, err
	}
	return s.configs.remember(o, u, time.Time{}), true, nil
}

func newer(known configVersion, meta *metav1.PartialObjectMetadata) bool {
	order, err := resourceversion.CompareResourceVersion(known.resourceVersion, meta.ResourceVersion)
	return err == nil && order > 0
}

// seeConfigs finds out what the target's pods read, and what the primary's copies hold.
func (s *shell) seeConfigs(ctx context.Context, v *view) error {
	if s.configs == nil || v.target == nil || v.podsErr != nil {
		return nil
	}
	v.obs.TrackedConfigs, v.obs.CopiedConfigs, v.obs.FlaggerConfigs = map[string]string{}, map[string]string{}, map[string]string{}
	for _, ref := range canary.ConfigReferences(v.kind.Content(v.target.Object)) {
		o := v.in(configKinds[ref.Kind], ref.Name)
		v.configNames = append(v.configNames, ref.Name)
		meta, err := s.seeMeta(ctx, o)
		if err != nil {
			return err
		}
		version, ok, err := s.version(ctx, o, meta)
		switch {
		case err != nil:
			return err
		case !ok && !ref.Optional:
			v.obs.ConfigsMissing = append(v.obs.ConfigsMissing,
				fmt.Sprintf("%s %s, which the pods of %s read, does not exist", ref.Kind, ref.Name, v.targetName()))
		case ok && canary.ConfigTracked(annotationsOf(meta), version.secretType):
			v.obs.TrackedConfigs[ref.Key()], v.obs.FlaggerConfigs[ref.Key()] = version.hash, version.flaggerHash
		}
	}
	return s.seeCopies(ctx, v)
}

func annotationsOf(meta *metav1.PartialObjectMetadata) map[string]string {
	if meta == nil {
		return nil
	}
	return meta.Annotations
}

// seeCopies reads the copies of everything that a fact may want.
func (s *shell) seeCopies(ctx context.Context, v *view) error {
	wanted := maps.Clone(v.obs.TrackedConfigs)
	maps.Copy(wanted, v.canary.Status.TrackedConfigs)
	if r := v.canary.Status.Rollout; r != nil {
		maps.Copy(wanted, r.TrackedConfigs)
	}
	for key := range wanted {
		o, err := s.copyOf(ctx, v, key)
		if err != nil {
			return err
		}
		v.configNames = append(v.configNames, o.Name)
		meta, err := s.seeMeta(ctx, o)
		if err != nil {
			return err
		}
		version, ok, err := s.version(ctx, o, meta)
		if err != nil {
			return err
		}
		if ok {
			v.obs.CopiedConfigs[key] = version.hash
		}
	}
	return nil
}

// copyOf names the primary's copy of a source.
func (s *shell) copyOf(ctx context.Context, v *view, key string) (object, error) {
	ref := canary.ConfigOfKey(key)
	kind := configKinds[ref.Kind]
	short := v.in(kind, canary.ConfigCopyName(ref.Name, v.targetName(), canary.CopyOwnership{}))
	long := v.in(kind, canary.LongConfigCopyName(ref.Name, v.targetName()))
	shortMeta, err := s.seeMeta(ctx, short)
	if err != nil {
		return object{}, err
	}
	longMeta, err := s.seeMeta(ctx, long)
	if err != nil {
		return object{}, err
	}
	return v.in(kind, canary.ConfigCopyName(ref.Name, v.targetName(), canary.CopyOwnership{
		ShortTaken: shortMeta != nil && !v.isOurs(shortMeta),
		LongOurs:   longMeta != nil && v.isOurs(longMeta),
	})), nil
}

// copyNames maps the keys of a revision's configuration to the names of the copies.
func (s *shell) copyNames(ctx context.Context, v *view, kept *unstructured.Unstructured) (map[string]string, error) {
	hashes, _, err := unstructured.NestedStringMap(kept.Object, "data", "configs")
	if err != nil {
		return nil, fmt.Errorf("read ControllerRevision %s: %w", kept.GetName(), err)
	}
	names := map[string]string{}
	for key := range hashes {
		o, err := s.copyOf(ctx, v, key)
		if err != nil {
			return nil, err
		}
		names[key] = o.Name
	}
	return names, nil
}

// ensureConfigs makes the primary's copies have these hashes.
func (s *shell) ensureConfigs(ctx context.Context, v *view, fact canary.TrackedConfigs) error {
	for _, key := range slices.Sorted(maps.Keys(fact.Hashes)) {
		if v.obs.CopiedConfigs[key] == fact.Hashes[key] {
			continue
		}
		o, err := s.copyOf(ctx, v, key)
		if err != nil {
			return err
		}
		if err := s.ensureConfig(ctx, v, o, key, fact.Hashes[key]); err != nil {
			return err
		}
	}
	return nil
}

func (s *shell) ensureConfig(ctx context.Context, v *view, o object, key, hash string) error {
	live, err := s.configs.content(ctx, o)
	if err != nil {
		return err
	}
	if live != nil && !v.isOurs(live) {
		return fmt.Errorf("%w: %s", errForeign, foreign(o, live))
	}
	if live != nil && canary.ConfigHash(live.Object) == hash {
		s.configs.remember(o, live, time.Now())
		return nil
	}
	previous := o
	previous.Name += previousSuffix
	source, err := s.sourceWith(ctx, hash, v.in(o.GroupVersionKind, canary.ConfigOfKey(key).Name), previous)
	if err != nil {
		return err
	}
	if live != nil {
		if err := s.copyConfig(ctx, v, live, previous); err != nil {
			return err
		}
	}
	return s.copyConfig(ctx, v, source, o)
}

// sourceWith finds content by its hash.
func (s *shell) sourceWith(ctx context.Context, hash string, candidates ...object) (*unstructured.Unstructured, error) {
	for _, o := range candidates {
		u, err := s.configs.content(ctx, o)
		if err != nil {
			return nil, err
		}
		if u != nil && canary.ConfigHash(u.Object) == hash {
			return u, nil
		}
	}
	return nil, fmt.Errorf("%s does not hold any more what was judged (%s)", candidates[0], hash)
}

// copyConfig makes an object of ours hold what another does.
func (s *shell) copyConfig(ctx context.Context, v *view, source *unstructured.Unstructured, to object) error {
	want, err := content(canary.ConfigCopy(source.Object, to.Name, s.labelPrefixes))
	if err != nil {
		return err
	}
	live, err := s.configs.content(ctx, to)
	if err != nil {
		return err
	}
	if live == nil {
		want = owned(want, v)
		if err := s.store.client.Create(ctx, want, client.FieldOwner(sluice.ManagedBy)); err != nil {
			return fmt.Errorf("create %s: %w", to, err)
		}
		s.configs.remember(to, want, time.Now())
		return nil
	}
	if !v.isOurs(live) {
		return fmt.Errorf("%w: %s", errForeign, foreign(to, live))
	}
	patch := map[string]any{}
	for _, field := range []string{"data", "binaryData", "type"} {
		if change, differs := mergePatch(live.Object[field], want.Object[field]); differs {
			patch[field] = change
		}
	}
	if owners := v.ownersPatch(live); owners != nil {
		patch = withOwners(patch, owners)
	}
	body, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encode the patch of %s: %w", to, err)
	}
	if err := s.store.client.Patch(ctx, live, client.RawPatch(types.MergePatchType, body), client.FieldOwner(sluice.ManagedBy)); err != nil {
		return fmt.Errorf("patch %s: %w", to, err)
	}
	s.configs.remember(to, live, time.Now())
	return nil
}

// releaseCopies takes the target's ownership from the primary's configuration.
func (s *shell) releaseCopies(ctx context.Context, v *view) error {
	if s.configs == nil {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(v.canary.Status.TrackedConfigs)) {
		o, err := s.copyOf(ctx, v, key)
		if err != nil {
			return err
		}
		for _, name := range []string{o.Name, o.Name + previousSuffix} {
			o.Name = name
			live, err := s.configs.content(ctx, o)
			if err != nil {
				return err
			}
			if err := s.release(ctx, v, o, live); err != nil {
				return err
			}
		}
	}
	return nil
}
