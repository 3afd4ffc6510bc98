package metric

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	externalmetrics "k8s.io/metrics/pkg/client/external_metrics"
)

type externalProvider struct {
	client externalmetrics.NamespacedMetricsGetter
}

// newExternal connects to the cluster's external metrics API, with this process's own identity. A provider with an
// address is another server, which is never shown that identity: it gets the token of the provider's Secret, or none.
func newExternal(c *Client, q Query) (provider, error) {
	config, err := externalConfig(c.kube, q)
	if err != nil {
		return nil, err
	}
	client, err := externalmetrics.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the external metrics API: %w", withoutURL(err))
	}
	return &externalProvider{client}, nil
}

func externalConfig(kube *rest.Config, q Query) (*rest.Config, error) {
	var config *rest.Config
	switch {
	case q.Provider.Address != "":
		u, err := address(q.Provider)
		if err != nil {
			return nil, err
		}
		config = &rest.Config{Host: u.String()}
		config.Insecure = q.Provider.InsecureSkipVerify
	case kube == nil:
		return nil, errors.New("the provider needs an address: there is no cluster to ask")
	default:
		config = rest.CopyConfig(kube)
	}
	if _, given := q.Credentials["token"]; given {
		token, err := q.credential("token")
		if err != nil {
			return nil, err
		}
		host, tls := config.Host, config.TLSClientConfig
		tls.CertData, tls.KeyData, tls.CertFile, tls.KeyFile = nil, nil, "", "" // the token is who asks
		config = &rest.Config{Host: host, TLSClientConfig: tls, BearerToken: token}
	}
	config.Timeout = askTimeout
	return config, nil
}

// ask takes the first metric of the list. The client library knows no context; its timeout is ours.
func (p *externalProvider) ask(_ context.Context, q Query) (float64, error) {
	wanted, err := parseExternal(strings.TrimSpace(q.Text))
	if err != nil {
		return 0, err
	}
	list, err := p.client.NamespacedMetrics(wanted.namespace).List(wanted.metric, wanted.selector)
	if err != nil {
		return 0, err
	}
	if len(list.Items) == 0 {
		return 0, errNoValues
	}
	return list.Items[0].Value.AsApproximateFloat64(), nil
}

func (p *externalProvider) close() {}

type externalQuery struct {
	namespace, metric string
	selector          labels.Selector
}

// parseExternal reads NAMESPACE/METRIC?labelSelector=SELECTOR. Without a namespace it is default.
func parseExternal(text string) (externalQuery, error) {
	const form = "the query must have the form NAMESPACE/METRIC?labelSelector=SELECTOR"
	path, rest, _ := strings.Cut(text, "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		return externalQuery{}, fmt.Errorf("%s: %w", form, err)
	}
	q := externalQuery{namespace: "default", metric: path, selector: labels.Everything()}
	if namespace, metric, two := strings.Cut(path, "/"); two {
		q.metric = metric
		if namespace != "" {
			q.namespace = namespace
		}
	}
	if q.metric == "" || strings.Contains(q.metric, "/") {
		return externalQuery{}, errors.New(form)
	}
	values, err := url.ParseQuery(rest)
	if err != nil {
		return externalQuery{}, fmt.Errorf("%s: %w", form, err)
	}
	if text := values.Get("labelSelector"); text != "" {
		if q.selector, err = labels.Parse(text); err != nil {
			return externalQuery{}, fmt.Errorf("read the label selector: %w", err)
		}
	}
	return q, nil
}
