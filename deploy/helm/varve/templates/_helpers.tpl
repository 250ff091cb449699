{{/* Names, labels and the parts of the pod that several files need. */}}

{{- define "varve.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $name = contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- $name = default $name .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" $name) -}}
{{- fail (printf "%s cannot be the name of a Service, which has letters, digits and dashes and begins with a letter: set fullnameOverride" $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* What never changes: the only labels that selectors and volume claims have. */}}
{{- define "varve.selector" -}}
app.kubernetes.io/name: varve
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "varve.labels" -}}
{{ include "varve.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "varve.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "varve.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "varve.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "varve.tlsSecret" -}}
{{- default (printf "%s-tls" (include "varve.fullname" .)) .Values.tls.secretName -}}
{{- end -}}

{{- define "varve.peerTlsSecret" -}}
{{- default (printf "%s-peer-tls" (include "varve.fullname" .)) .Values.peerTls.secretName -}}
{{- end -}}

{{/* Brokers that found the cluster. */}}
{{- define "varve.seedCount" -}}
{{- if kindIs "invalid" .Values.seeds -}}
{{- min 3 (max 1 (int .Values.replicas)) -}}
{{- else -}}
{{- int .Values.seeds -}}
{{- end -}}
{{- end -}}

{{/* The host:port that clients are told of the broker of one ordinal: its places filled in as the broker does. */}}
{{- define "varve.externalAddress" -}}
{{- $ordinal := .ordinal -}}
{{- $address := .root.Values.external.advertised -}}
{{- range regexFindAll "\\{ordinal(\\+[0-9]{1,9})?\\}" $address -1 -}}
{{- $address = replace . (regexFind "[0-9]+" . | int | add $ordinal | toString) $address -}}
{{- end -}}
{{- $address -}}
{{- end -}}

{{/* Names and addresses of hosts that stand in what clients are told, as YAML: dnsNames, ipAddresses. What the environment fills in is left out. */}}
{{- define "varve.externalHosts" -}}
{{- $names := list -}}
{{- $addresses := list -}}
{{- if and .Values.external.enabled (not (contains "${" .Values.external.advertised)) -}}
{{- range $ordinal := until (int .Values.replicas) -}}
{{- $host := include "varve.externalAddress" (dict "root" $ "ordinal" $ordinal) | regexFind "^.*:" | trimSuffix ":" -}}
{{- if regexMatch "^([0-9.]+|\\[.*\\])$" $host -}}
{{- $addresses = append $addresses ($host | trimAll "[]") -}}
{{- else -}}
{{- $names = append $names $host -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "dnsNames" (concat $names .Values.tls.dnsNames | uniq) "ipAddresses" (uniq $addresses) | toYaml -}}
{{- end -}}

{{/*
What an upgrade does to the number of brokers, as YAML: upgradeAsks, whether the guard must be asked first; approval, for the admission policy.
Where no broker runs that could be asked, the volumes of all must be wanted. Empty lookups (`helm template`, an install) count as nothing there.
*/}}
{{- define "varve.scale" -}}
{{- $name := include "varve.fullname" . -}}
{{- $wanted := int .Values.replicas -}}
{{- $set := (lookup "apps/v1" "StatefulSet" .Release.Namespace $name) -}}
{{- $had := 0 -}}
{{- if $set -}}
{{- $had = int $set.spec.replicas -}}
{{- end -}}
{{- if and .Values.scaleGuard.enabled (gt $wanted 0) (eq $had 0) -}}
{{- $above := list -}}
{{- range (lookup "v1" "PersistentVolumeClaim" .Release.Namespace "").items -}}
{{- if and (regexMatch (printf "^data-%s-[0-9]+$" $name) .metadata.name) (ge (regexFind "[0-9]+$" .metadata.name | int) $wanted) -}}
{{- $above = append $above .metadata.name -}}
{{- end -}}
{{- end -}}
{{- if $above -}}
{{- fail (printf "%d replicas leave out the volumes %s: their brokers may hold the only copies of records, and none runs that could be asked. Start as many as there were; or, where all of these were decommissioned: kubectl --namespace %s delete pvc %s" $wanted (join ", " $above) .Release.Namespace (join " " $above)) -}}
{{- end -}}
{{- end -}}
{{- $changes := and $set (gt $wanted 0) (or (lt $wanted $had) (eq $had 0)) -}}
upgradeAsks: {{ or (not $set) (and (gt $wanted 0) (lt $wanted $had)) }}
approval: {{ if and .Values.scaleGuard.enabled $changes }}{{ printf "%d@%d" $wanted (int64 $set.metadata.generation) }}{{ end }}
{{- end -}}

{{/*
The settings file, without the seeds: a change of these needs a restart. One file serves all brokers: each fills in its own number and
names. Brokers on one node count as one host, since they die together.
*/}}
{{- define "varve.settings" -}}
{{- $listen := dict "address" "0.0.0.0" -}}
{{- if not (and .Values.tls.enabled .Values.peerTls.enabled) -}}
{{- $_ := set $listen "insecure" true -}}
{{- end -}}
{{- if .Values.metrics.port -}}
{{- $_ := set $listen "metricsPort" (int .Values.metrics.port) -}}
{{- end -}}
{{- $name := include "varve.fullname" . -}}
{{- $inside := printf "${HOSTNAME}.%s-headless" $name -}}
{{- $advertised := dict "peerAddress" (printf "%s:7651" $inside) "opsAddress" (printf "%s.${POD_NAMESPACE}.svc:7652" $inside) -}}
{{- $_ := set $advertised "grpcAddress" (.Values.external.enabled | ternary .Values.external.advertised (printf "%s.${POD_NAMESPACE}.svc:7650" $inside)) -}}
{{- $settings := dict "brokerId" "{ordinal+1}" "host" "${NODE_NAME}" "advertised" $advertised "dataDir" "/var/lib/varve" "shutdownGraceMs" (mul 1000 (int .Values.stop.shutdownGraceSeconds)) "listen" $listen -}}
{{- if .Values.rack.fromNode -}}
{{- $_ := set $settings "rackFile" "/var/run/varve/rack/zone" -}}
{{- end -}}
{{- if .Values.tls.enabled -}}
{{- $_ := set $settings "tls" (dict "certFile" "/etc/varve/tls/tls.crt" "keyFile" "/etc/varve/tls/tls.key" "caFile" "/etc/varve/tls/ca.crt" "clientAuth" .Values.tls.clientAuth) -}}
{{- end -}}
{{- if .Values.peerTls.enabled -}}
{{- $_ := set $settings "peerTls" (dict "certFile" "/etc/varve/peer-tls/tls.crt" "keyFile" "/etc/varve/peer-tls/tls.key" "caFile" "/etc/varve/peer-tls/ca.crt") -}}
{{- end -}}
{{- toYaml (mergeOverwrite $settings (deepCopy .Values.config)) -}}
{{- end -}}

{{/* A quantity of Kubernetes, such as 1Gi, in bytes. */}}
{{- define "varve.bytes" -}}
{{- $units := dict "" 1 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf (regexFind "^[0-9.]+" .) (get $units (regexFind "[a-zA-Z]*$" .)) | int64 -}}
{{- end -}}

{{/* Of the JavaScript heap; fails where what lies beside it would not fit into the limit of memory. */}}
{{- define "varve.heapMiB" -}}
{{- $limit := include "varve.bytes" (toString .Values.resources.limits.memory) | int64 -}}
{{- $heapMiB := kindIs "invalid" .Values.heapMiB | ternary (div (mul 3 (div $limit 1048576)) 8) .Values.heapMiB | int64 -}}
{{- $sum := mul 1048576 (add 64 $heapMiB) -}}
{{- range list "inFlightBytesMax" "responseBytesMax" "unfinishedRequestBytesMax" "tailCacheBytesMax" "undrainedBytesMax" -}}
{{- $sum = add $sum (required (printf "config.limits.%s must be set: the sum of these bounds must fit into the memory" .) (get (default dict $.Values.config.limits) .) | int64) -}}
{{- end -}}
{{- if gt $sum $limit -}}
{{- fail (printf "resources.limits.memory is %d MiB, but heapMiB (%d), 64 MiB of Node.js itself and the bounds config.limits.{inFlight,response,unfinishedRequest,tailCache,undrained}BytesMax may take %d MiB: raise the one or lower the others" (div $limit 1048576) $heapMiB (div $sum 1048576)) -}}
{{- end -}}
{{- $heapMiB -}}
{{- end -}}

{{/* Time that a pod may take to end; fails where it is killed before the gate and the stop are through. */}}
{{- define "varve.graceSeconds" -}}
{{- $ops := default dict .Values.config.ops -}}
{{- $gateMs := .Values.stop.gate | ternary (hasKey $ops "stopGateMs" | ternary $ops.stopGateMs 300000) 0 | int64 -}}
{{- $needed := add (div (add $gateMs 999) 1000) .Values.stop.shutdownGraceSeconds 10 -}}
{{- if lt (int64 .Values.stop.terminationGracePeriodSeconds) $needed -}}
{{- fail (printf "stop.terminationGracePeriodSeconds must be at least %d: the gate (config.ops.stopGateMs), stop.shutdownGraceSeconds and 10 s; else a pod is killed while it waits" $needed) -}}
{{- end -}}
{{- .Values.stop.terminationGracePeriodSeconds -}}
{{- end -}}

{{- define "varve.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
# Large volumes are not walked at each start.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "varve.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* How the command line in a pod of ours reaches the brokers. */}}
{{- define "varve.clientEnv" -}}
- name: VARVE_BOOTSTRAP
  value: {{ printf "%s:7650" (include "varve.fullname" .) }}
{{- if .Values.tls.enabled }}
- name: VARVE_CLIENT_TLS_CA_FILE
  value: /etc/varve/tls/ca.crt
- name: VARVE_CLIENT_TLS_SERVER_NAME
  value: {{ include "varve.fullname" . }}
{{- if eq .Values.tls.clientAuth "required" }}
- name: VARVE_CLIENT_TLS_CERT_FILE
  value: /etc/varve/tls/tls.crt
- name: VARVE_CLIENT_TLS_KEY_FILE
  value: /etc/varve/tls/tls.key
{{- end }}
{{- end }}
{{- end -}}

{{/* A short-lived pod of ours that runs one of the image's programs: the guard, the test. */}}
{{- define "varve.toolPod" -}}
{{- $root := .root -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
serviceAccountName: {{ .serviceAccount }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext: {{ include "varve.podSecurity" $root | nindent 2 }}
containers:
  - name: {{ .name }}
    image: {{ include "varve.image" $root }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    command: {{ toJson .command }}
    env: {{ include "varve.clientEnv" $root | nindent 6 }}
    resources:
      requests: { cpu: 50m, memory: 128Mi }
      limits: { memory: 128Mi }
    securityContext: {{ include "varve.containerSecurity" $root | nindent 6 }}
    {{- if $root.Values.tls.enabled }}
    volumeMounts:
      - { name: tls, mountPath: /etc/varve/tls, readOnly: true }
    {{- end }}
{{- if $root.Values.tls.enabled }}
volumes:
  - name: tls
    secret: { secretName: {{ include "varve.tlsSecret" $root }}, defaultMode: 288 }
{{- end }}
{{- end -}}

{{- define "varve.spread" -}}
{{- $selector := include "varve.selector" .root | nindent 6 -}}
- maxSkew: 1
  topologyKey: {{ .key }}
  {{- with .least }}
  minDomains: {{ . }}
  {{- end }}
  whenUnsatisfiable: {{ eq .how "hard" | ternary "DoNotSchedule" "ScheduleAnyway" }}
  labelSelector:
    matchLabels: {{ $selector }}
{{- end -}}
