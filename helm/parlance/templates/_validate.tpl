{{- /* What a schema can't say: settings that must fit each other. Each message names the value. */ -}}
{{- define "parlance.validate" -}}
{{- $v := .Values -}}
{{- $base := int $v.kafka.messagePartitionBase -}}
{{- $all := int $v.kafka.deliveriesPartitions -}}
{{- if ge $base $all -}}
{{- fail (printf "kafka.messagePartitionBase (%d) must be below kafka.deliveriesPartitions (%d): the partitions from it on are the message pods'" $base $all) -}}
{{- end -}}
{{- $bounds := dict "chatGateway" $base "message" (sub $all $base) -}}
{{- range $key, $bound := $bounds -}}
{{- $own := index $v $key -}}
{{- $what := ternary "replicas" "autoscaling.maxReplicas" (not $own.autoscaling.enabled) -}}
{{- $most := int (ternary $own.replicas $own.autoscaling.maxReplicas (not $own.autoscaling.enabled)) -}}
{{- if gt $most (int $bound) -}}
{{- fail (printf "%s.%s (%d) is more than the %d partitions of the deliveries that its pods have: raise kafka.deliveriesPartitions at the installation, or lower it" $key $what $most (int $bound)) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "account" "conversation" "message" "chatGateway" "fileUpload" "web" -}}
{{- $own := index $v $key -}}
{{- if and $own.autoscaling.enabled (gt (int $own.replicas) (int $own.autoscaling.maxReplicas)) -}}
{{- fail (printf "%s.replicas (%d) is more than %s.autoscaling.maxReplicas (%d)" $key (int $own.replicas) $key (int $own.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- if gt (int $v.message.replicas) (int $v.kafka.logPartitions) -}}
{{- fail (printf "message.replicas (%d) is more than kafka.logPartitions (%d): the rest would have nothing to do" (int $v.message.replicas) (int $v.kafka.logPartitions)) -}}
{{- end -}}
{{- if gt (add $v.chatGateway.drainSeconds 12) (int64 $v.chatGateway.shutdownGraceSeconds) -}}
{{- fail (printf "chatGateway.drainSeconds (%d) leaves less than 12 s of chatGateway.shutdownGraceSeconds (%d) for the last frames, leases and records" (int $v.chatGateway.drainSeconds) (int $v.chatGateway.shutdownGraceSeconds)) -}}
{{- end -}}
{{- if gt (int $v.kafka.minInsyncReplicas) (int $v.kafka.replicationFactor) -}}
{{- fail "kafka.minInsyncReplicas is more than kafka.replicationFactor: nothing could be acknowledged" -}}
{{- end -}}
{{- if $v.devServers.enabled -}}
{{- if eq $v.migrations.mode "hook" -}}
{{- fail "migrations.mode must be `job` with devServers.enabled: a hook runs before the servers exist" -}}
{{- end -}}
{{- if not $v.secrets.create -}}
{{- fail "secrets.create must be true with devServers.enabled: the servers' passwords are made by the chart" -}}
{{- end -}}
{{- if ne $v.kafka.security "plaintext" -}}
{{- fail "kafka.security must be `plaintext` with devServers.enabled: their Kafka has no certificate" -}}
{{- end -}}
{{- if not $v.aws.accessKeyId -}}
{{- fail "aws.accessKeyId and aws.secretAccessKey are needed with devServers.enabled: the emulators take one pair" -}}
{{- end -}}
{{- else -}}
{{- if not $v.kafka.brokers -}}
{{- fail "kafka.brokers is needed, such as `broker-1:9092,broker-2:9092` (or devServers.enabled for a try)" -}}
{{- end -}}
{{- if and (eq $v.kafka.security "plaintext") (or $v.kafka.ca $v.kafka.username $v.kafka.password) -}}
{{- fail "kafka.ca, kafka.username and kafka.password are for TLS: set kafka.security to `tls` or `sasl_tls`" -}}
{{- end -}}
{{- if and (eq $v.kafka.security "sasl_tls") (not $v.kafka.username) -}}
{{- fail "kafka.username is needed with kafka.security `sasl_tls`" -}}
{{- end -}}
{{- if $v.secrets.create -}}
{{- if not $v.redis.url -}}{{- fail "redis.url is needed with secrets.create" -}}{{- end -}}
{{- if and (eq $v.kafka.security "sasl_tls") (not $v.kafka.password) -}}
{{- fail "kafka.password is needed with kafka.security `sasl_tls` and secrets.create" -}}
{{- end -}}
{{- range $key := list "account" "conversation" "fileUpload" -}}
{{- if not (index $v $key).databaseUrl -}}{{- fail (printf "%s.databaseUrl is needed with secrets.create" $key) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $v.secrets.create -}}
{{- range $key := list "account" "conversation" "message" "chatGateway" "fileUpload" -}}
{{- if (index $v $key).existingSecret -}}{{- fail (printf "%s.existingSecret and secrets.create exclude each other" $key) -}}{{- end -}}
{{- end -}}
{{- if or $v.secrets.signingSecret $v.secrets.identitiesConfigMap -}}
{{- fail "secrets.signingSecret and secrets.identitiesConfigMap name what exists: they and secrets.create exclude each other" -}}
{{- end -}}
{{- end -}}
{{- if $v.account.mail.enabled -}}
{{- if not $v.account.mail.from -}}{{- fail "account.mail.from is needed with account.mail.enabled" -}}{{- end -}}
{{- if and $v.secrets.create (not $v.account.mail.smtpUrl) -}}{{- fail "account.mail.smtpUrl is needed with account.mail.enabled and secrets.create" -}}{{- end -}}
{{- if not (or $v.frontendUrl $v.ingress.host) -}}{{- fail "frontendUrl is needed with account.mail.enabled: links in mails lead there" -}}{{- end -}}
{{- end -}}
{{- if and (or $v.ingress.enabled $v.gatewayApi.enabled) (not $v.ingress.host) -}}
{{- fail "ingress.host is needed with ingress.enabled or gatewayApi.enabled" -}}
{{- end -}}
{{- if and $v.ingress.filesHost (not $v.devServers.enabled) -}}
{{- fail "ingress.filesHost is for the S3 of devServers: without it, browsers talk to S3 itself" -}}
{{- end -}}
{{- if $v.canary.enabled -}}
{{- if not $v.canary.tag -}}{{- fail "canary.tag is needed with canary.enabled" -}}{{- end -}}
{{- range $key := list "message" "chatGateway" -}}
{{- if gt (int $v.canary.replicas) (int (index $v $key).replicas) -}}
{{- fail (printf "canary.replicas (%d) is more than %s.replicas (%d): its canary is some of its own pods" (int $v.canary.replicas) $key (int (index $v $key).replicas)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
