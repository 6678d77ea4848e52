// Package otel stands where Bifrost's OpenTelemetry plugin would.
package otel

import (
	"context"
	"errors"

	"github.com/maximhq/bifrost/core/schemas"
)

const PluginName = "otel"

type Config struct{}

type OtelPlugin struct{ schemas.BasePlugin }

func Init(_ context.Context, _ *Config, _ schemas.Logger, _ any, _ string) (*OtelPlugin, error) {
	return nil, errors.New("otel is not part of this build")
}

func (*OtelPlugin) RecordHTTPMetrics(context.Context, string, string, string, float64, float64, float64) {
}
