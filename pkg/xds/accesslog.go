package xds

import (
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	"github.com/envoyproxy/go-control-plane/pkg/wellknown"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

func (t *translation) accessLog(log *mesh.AccessLog) []*accesslogv3.AccessLog {
	if log == nil {
		return nil
	}
	file := &filev3.FileAccessLog{Path: log.Path}
	switch {
	case len(log.JSON) > 0:
		fields := &structpb.Struct{Fields: map[string]*structpb.Value{}}
		for k, v := range log.JSON {
			fields.Fields[k] = structpb.NewStringValue(v)
		}
		file.AccessLogFormat = &filev3.FileAccessLog_LogFormat{LogFormat: &corev3.SubstitutionFormatString{
			Format: &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: fields},
		}}
	case log.Text != "":
		file.AccessLogFormat = &filev3.FileAccessLog_LogFormat{LogFormat: &corev3.SubstitutionFormatString{
			Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
				Specifier: &corev3.DataSource_InlineString{InlineString: log.Text},
			}},
		}}
	}
	return []*accesslogv3.AccessLog{{
		Name:       wellknown.FileAccessLog,
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: t.pack(file)},
	}}
}
