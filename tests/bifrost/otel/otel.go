// Package otel stands where Bifrost's OpenTelemetry plugin would: of each trace that Bifrost itself has made it prints
// a line, where the plugin would send it to a collector.
package otel

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/maximhq/bifrost/core/schemas"
)

const PluginName = "otel"

type Config struct{}

type OtelPlugin struct{}

// What is printed of a span.
type span struct {
	Span   string `json:"span"`
	Parent string `json:"parent"`
}

func Init(_ context.Context, _ *Config, _ schemas.Logger, _ any, _ string) (*OtelPlugin, error) {
	return &OtelPlugin{}, nil
}

func (*OtelPlugin) GetName() string { return PluginName }

func (*OtelPlugin) Cleanup() error { return nil }

// Bifrost tells those alone of traces that it may ask about each call of a model, too.

func (*OtelPlugin) PreRequestHook(*schemas.BifrostContext, *schemas.BifrostRequest) error {
	return nil
}

func (*OtelPlugin) PreLLMHook(_ *schemas.BifrostContext, request *schemas.BifrostRequest) (*schemas.BifrostRequest, *schemas.LLMPluginShortCircuit, error) {
	return request, nil, nil
}

func (*OtelPlugin) PostLLMHook(_ *schemas.BifrostContext, response *schemas.BifrostResponse, fault *schemas.BifrostError) (*schemas.BifrostResponse, *schemas.BifrostError, error) {
	return response, fault, nil
}

// Inject is told of each trace that is complete.
func (*OtelPlugin) Inject(_ context.Context, trace *schemas.Trace) error {
	spans := []span{}
	for _, made := range trace.Spans {
		spans = append(spans, span{Span: made.SpanID, Parent: made.ParentID})
	}
	line, err := json.Marshal(map[string]any{"otel.trace": trace.TraceID, "otel.spans": spans})
	if err == nil {
		fmt.Println(string(line))
	}
	return err
}

func (*OtelPlugin) RecordHTTPMetrics(context.Context, string, string, string, float64, float64, float64) {
}
