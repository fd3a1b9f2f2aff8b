{{- /*
What the five services are. `calls` is whom a service calls on the internal port: its [peers] section.
`stores` is what it talks to; `route` and `grpcServices` what the ingress sends to it.
*/ -}}
{{- define "parlance.services" -}}
account:
  values: account
  kind: Deployment
  ports: {http: 7110, grpc: 7111, internal: 7112, ops: 7113}
  calls: [conversation]
  stores: [postgres, redis, kafka]
  routes: [/api/account, /users]
  grpcServices: [parlance.account.v1.AccountService, parlance.account.v1.ContactService]
conversation:
  values: conversation
  kind: Deployment
  ports: {http: 7120, grpc: 7121, internal: 7122, ops: 7123}
  calls: [account, message]
  stores: [postgres, redis, kafka]
  # The web server hands on /group/…: only it knows which of them is a page.
  routes: [/api/conversations, /chat/users{{ if not .Values.web.enabled }}, /group{{ end }}]
  grpcServices: [parlance.conversation.v1.ConversationService]
message:
  values: message
  kind: StatefulSet
  ports: {http: 7130, grpc: 7131, internal: 7132, ops: 7133}
  calls: [account]
  stores: [aws, redis, kafka]
  routes: [/api/messages]
  grpcServices: [parlance.message.v1.MessageService]
chat-gateway:
  values: chatGateway
  kind: StatefulSet
  ports: {http: 7140, grpc: 7141, internal: 7142, ops: 7143}
  calls: [account, conversation, message]
  stores: [redis, kafka]
  routes: [/api/gateway, /socket]
  grpcServices: [parlance.gateway.v1.GatewayService]
file-upload:
  values: fileUpload
  kind: Deployment
  ports: {http: 7160, grpc: 7161, internal: 7162, ops: 7163}
  calls: [account, conversation]
  stores: [postgres, aws]
  routes: [/api/files]
  grpcServices: [parlance.file.v1.FileService]
{{- end -}}

{{- /* What a service is told, as a map of environment variables: (list $root "account"). */ -}}
{{- define "parlance.environment" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $v := $root.Values -}}
{{- $services := include "parlance.services" $root | fromYaml -}}
{{- $service := index $services $name -}}
{{- $own := index $v $service.values -}}
{{- $s := dict -}}
{{- range $port, $number := $service.ports -}}
{{- $_ := set $s (printf "listen.%s" $port) (printf "0.0.0.0:%d" (int $number)) -}}
{{- end -}}
{{- $_ := set $s "listen.grpc_reflection" "false" -}}
{{- $_ := set $s "http.cors_origins" $v.frontendUrl -}}
{{- $_ := set $s "telemetry.filter" $v.telemetry.filter -}}
{{- $_ := set $s "telemetry.log_format" "json" -}}
{{- $_ := set $s "telemetry.otlp_endpoint" $v.telemetry.otlpEndpoint -}}
{{- $_ := set $s "telemetry.sentry_dsn" $v.telemetry.sentryDsn -}}
{{- $_ := set $s "telemetry.sample_ratio" (toString $v.telemetry.sampleRatio) -}}
{{- $_ := set $s "tokens.jwks_url" (printf "http://%s:%d/api/account/.well-known/jwks.json" (include "parlance.name" (list $root "account")) (int $services.account.ports.http)) -}}
{{- if $service.calls -}}
{{- $_ := set $s "identity.signing_key_file" "/etc/parlance/secret/identity.key.pem" -}}
{{- end -}}
{{- range $peer := $service.calls -}}
{{- $_ := set $s (printf "peers.%s" $peer) (printf "http://%s:%d" (include "parlance.name" (list $root $peer)) (int (index $services $peer).ports.internal)) -}}
{{- end -}}
{{- range $caller, $other := $services -}}
{{- if has $name $other.calls -}}
{{- $_ := set $s (printf "identity.trusted.%s" $caller) (printf "/etc/parlance/identities/%s.pub.pem" $caller) -}}
{{- end -}}
{{- end -}}
{{- if has "postgres" $service.stores -}}
{{- $_ := set $s "database.url_file" "/etc/parlance/secret/database-url" -}}
{{- end -}}
{{- if has "redis" $service.stores -}}
{{- $_ := set $s "redis.url_file" "/etc/parlance/secret/redis-url" -}}
{{- with $v.redis.ca }}{{ $_ := set $s "redis.ca" . }}{{ end -}}
{{- end -}}
{{- if has "kafka" $service.stores -}}
{{- $_ := set $s "kafka.brokers" (include "parlance.kafkaBrokers" $root) -}}
{{- $_ := set $s "kafka.log_partitions" (int64 $v.kafka.logPartitions | toString) -}}
{{- $_ := set $s "kafka.deliveries_partitions" (int64 $v.kafka.deliveriesPartitions | toString) -}}
{{- $_ := set $s "kafka.message_partition_base" (int64 $v.kafka.messagePartitionBase | toString) -}}
{{- if ne $name "account" -}}
{{- $_ := set $s "kafka.replication_factor" (int64 $v.kafka.replicationFactor | toString) -}}
{{- $_ := set $s "kafka.min_insync_replicas" (int64 $v.kafka.minInsyncReplicas | toString) -}}
{{- end -}}
{{- if ne $v.kafka.security "plaintext" -}}
{{- $_ := set $s "kafka.security" $v.kafka.security -}}
{{- with $v.kafka.ca }}{{ $_ := set $s "kafka.ca" . }}{{ end -}}
{{- end -}}
{{- if eq $v.kafka.security "sasl_tls" -}}
{{- $_ := set $s "kafka.username" $v.kafka.username -}}
{{- $_ := set $s "kafka.password_file" "/etc/parlance/secret/kafka-password" -}}
{{- end -}}
{{- end -}}
{{- if has "aws" $service.stores -}}
{{- $_ := set $s "aws.region" $v.aws.region -}}
{{- end -}}
{{- $_ := set $s "shutdown.grace_ms" (mul $own.shutdownGraceSeconds 1000 | toString) -}}
{{- $local := include "parlance.name" (list $root "local-aws") -}}
{{- if eq $name "account" -}}
{{- $_ := set $s "signing.key_dir" "/etc/parlance/signing" -}}
{{- $_ := set $s "accounts.sign_up_on_first_use" (toString $own.signUpOnFirstUse) -}}
{{- $_ := set $s "accounts.secure_cookies" (hasPrefix "http://" $v.frontendUrl | not | toString) -}}
{{- $_ := set $s "accounts.trusted_proxies" (join "," $own.trustedProxies) -}}
{{- if or $v.frontendUrl $v.ingress.host -}}
{{- $_ := set $s "accounts.public_url" ($v.frontendUrl | default (printf "https://%s" $v.ingress.host)) -}}
{{- end -}}
{{- if $own.mail.enabled -}}
{{- $_ := set $s "mail.smtp_url_file" "/etc/parlance/secret/smtp-url" -}}
{{- $_ := set $s "mail.from" $own.mail.from -}}
{{- end -}}
{{- else if eq $name "message" -}}
{{- $_ := set $s "aws.table_prefix" $v.aws.tablePrefix -}}
{{- $_ := set $s "aws.dynamodb_endpoint" (ternary (printf "http://%s:7181" $local) $v.aws.dynamodbEndpoint $v.devServers.enabled) -}}
{{- else if eq $name "chat-gateway" -}}
{{- $_ := set $s "gateway.allowed_origins" $v.frontendUrl -}}
{{- $_ := set $s "gateway.drain_ms" (mul $own.drainSeconds 1000 | toString) -}}
{{- $_ := set $s "gateway.max_sockets" (int64 $own.maxSockets | toString) -}}
{{- else if eq $name "file-upload" -}}
{{- $_ := set $s "files.bucket" $v.aws.bucket -}}
{{- $_ := set $s "aws.s3_endpoint" (ternary (printf "http://%s:7182" $local) $v.aws.s3Endpoint $v.devServers.enabled) -}}
{{- $_ := set $s "aws.s3_public_endpoint" $v.aws.s3PublicEndpoint -}}
{{- end -}}
{{- range $key, $value := $own.config -}}
{{- if hasKey $s $key -}}
{{- fail (printf "%s.config: the chart sets `%s` itself; use the value that README.md names" $service.values $key) -}}
{{- end -}}
{{- $_ := set $s $key $value -}}
{{- end -}}
{{- $variables := dict -}}
{{- range $key, $value := $s -}}
{{- $_ := set $variables (include "parlance.variable" (list $name $key)) $value -}}
{{- end -}}
{{- toYaml $variables -}}
{{- end -}}

{{- /* The environment variable of a setting: (list "chat-gateway" "gateway.drain_ms"). */ -}}
{{- define "parlance.variable" -}}
{{- printf "%s__%s" (index . 0) (index . 1 | replace "." "__") | replace "-" "_" | upper -}}
{{- end -}}

{{- define "parlance.secretName" -}}
{{- $root := index . 0 -}}
{{- $own := index $root.Values (index (include "parlance.services" $root | fromYaml) (index . 1)).values -}}
{{- $own.existingSecret | default (include "parlance.name" .) -}}
{{- end -}}

{{- define "parlance.signingSecretName" -}}
{{- .Values.secrets.signingSecret | default (include "parlance.name" (list . "account-signing")) -}}
{{- end -}}

{{- define "parlance.identitiesName" -}}
{{- .Values.secrets.identitiesConfigMap | default (include "parlance.name" (list . "identities")) -}}
{{- end -}}

{{- /* Credentials of stores outside AWS, as AWS SDKs read them: (list $root "message" $secretName). */ -}}
{{- define "parlance.awsCredentials" -}}
{{- $root := index . 0 -}}
{{- $service := index (include "parlance.services" $root | fromYaml) (index . 1) -}}
{{- if and (has "aws" $service.stores) $root.Values.aws.accessKeyId }}
- name: AWS_ACCESS_KEY_ID
  value: {{ $root.Values.aws.accessKeyId | quote }}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ index . 2 }}, key: aws-secret-access-key}
- name: AWS_EC2_METADATA_DISABLED
  value: "true"
{{- end }}
{{- end -}}

{{- /* The pod of a service: (list $root "account" $tag "stable"). */ -}}
{{- define "parlance.pod" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $tag := index . 2 -}}
{{- $track := index . 3 -}}
{{- $v := $root.Values -}}
{{- $services := include "parlance.services" $root | fromYaml -}}
{{- $service := index $services $name -}}
{{- $own := index $v $service.values -}}
{{- $trusts := false -}}
{{- range $services }}{{ if has $name .calls }}{{ $trusts = true }}{{ end }}{{ end -}}
metadata:
  labels:
    {{- include "parlance.labels" (list $root $name $tag) | nindent 4 }}
    track: {{ $track }}
    {{- if $v.istio.enabled }}
    # What Kiali goes by.
    app: {{ $name }}
    version: {{ $tag | trunc 63 | quote }}
    {{- end }}
  annotations:
    checksum/config: {{ include "parlance.environment" (list $root $name) | sha256sum }}
    {{- if $v.secrets.create }}
    checksum/secret: {{ list $own.databaseUrl $v.redis.url $v.kafka.password $v.aws.secretAccessKey ($own.mail | default dict) | toJson | sha256sum }}
    {{- end }}
    {{- with $v.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "parlance.name" (list $root $name) }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  # Time to be taken out of the endpoints, then to finish what is held, then 5 s.
  terminationGracePeriodSeconds: {{ add $v.preStopSeconds $own.shutdownGraceSeconds 5 }}
  securityContext: {{- include "parlance.podSecurity" 10001 | nindent 4 }}
  {{- include "parlance.pullSecrets" $root | nindent 2 }}
  {{- include "parlance.placement" (list $root $name) | nindent 2 }}
  containers:
    - name: {{ $name }}
      image: {{ include "parlance.image" (list $root $name $tag) }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args: [serve]
      envFrom:
        - configMapRef: {name: {{ include "parlance.name" (list $root $name) }}}
      {{- $credentials := include "parlance.awsCredentials" (list $root $name (include "parlance.secretName" (list $root $name))) }}
      {{- if or (eq $service.kind "StatefulSet") (trim $credentials) }}
      env:
        {{- if eq $service.kind "StatefulSet" }}
        - name: {{ include "parlance.variable" (list $name (ternary "message.ordinal" "gateway.ordinal" (eq $name "message"))) }}
          valueFrom:
            fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}
        {{- end }}
        {{- with trim $credentials }}
        {{- . | nindent 8 }}
        {{- end }}
      {{- end }}
      ports:
        - {name: http, containerPort: {{ $service.ports.http }}}
        - {name: grpc, containerPort: {{ $service.ports.grpc }}}
        - {name: grpc-internal, containerPort: {{ $service.ports.internal }}}
        - {name: http-ops, containerPort: {{ $service.ports.ops }}}
      startupProbe:
        grpc: {port: {{ $service.ports.grpc }}}
        periodSeconds: 2
        failureThreshold: 60
      readinessProbe:
        httpGet: {path: /readyz, port: http-ops}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      livenessProbe:
        httpGet: {path: /livez, port: http-ops}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      lifecycle:
        preStop:
          sleep: {seconds: {{ $v.preStopSeconds }}}
      resources: {{- toYaml $own.resources | nindent 8 }}
      securityContext: {{- include "parlance.containerSecurity" $root | nindent 8 }}
      volumeMounts:
        - {name: secret, mountPath: /etc/parlance/secret, readOnly: true}
        {{- if $trusts }}
        - {name: identities, mountPath: /etc/parlance/identities, readOnly: true}
        {{- end }}
        {{- if eq $name "account" }}
        - {name: signing, mountPath: /etc/parlance/signing, readOnly: true}
        {{- end }}
  volumes:
    - name: secret
      secret: {secretName: {{ include "parlance.secretName" (list $root $name) }}, defaultMode: 0440}
    {{- if $trusts }}
    - name: identities
      configMap: {name: {{ include "parlance.identitiesName" $root }}}
    {{- end }}
    {{- if eq $name "account" }}
    - name: signing
      secret: {secretName: {{ include "parlance.signingSecretName" $root }}, defaultMode: 0440}
    {{- end }}
{{- end -}}
