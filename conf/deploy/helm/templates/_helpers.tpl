{{- define "bridgehead.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "bridgehead.labels" -}}
{app.kubernetes.io/name: {{ .Chart.Name }}, app.kubernetes.io/instance: {{ .Release.Name }}}
{{- end }}

{{- define "bridgehead.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- /* What would start and not work is refused here. */}}
{{- define "bridgehead.check" -}}
{{- if not .Values.existingConfigMap }}
{{- $config := fromYaml .Values.config }}
{{- if hasKey $config "Error" }}{{ fail (printf "config is no YAML: %s" $config.Error) }}{{ end }}
{{- $found := false }}
{{- range $config.listeners }}{{ if hasSuffix (printf ":%v" $.Values.ports.http) .address }}{{ $found = true }}{{ end }}{{ end }}
{{- if not $found }}{{ fail (printf "config has no listener on the port ports.http, %v" .Values.ports.http) }}{{ end }}
{{- $admin := dig "admin" "address" "" $config }}
{{- if not (hasSuffix (printf ":%v" .Values.ports.admin) $admin) }}{{ fail (printf "admin.address of config, %q, is not on the port ports.admin, %v: the probes ask there" $admin .Values.ports.admin) }}{{ end }}
{{- end }}
{{- if and .Values.certificate.enabled (not .Values.tls.secretName) }}{{ fail "certificate.enabled needs tls.secretName, the Secret that the certificate is put into" }}{{ end }}
{{- if and .Values.autoscaling.enabled (not (or .Values.autoscaling.cpu .Values.autoscaling.memory .Values.autoscaling.connections)) }}{{ fail "autoscaling.enabled needs a target: autoscaling.cpu, .memory or .connections" }}{{ end }}
{{- end }}
