// Made by `npm run generate` from docs/openapi/file-upload.json.
export interface paths {
    "/api/files": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Reserves a file in a conversation and says where its bytes go.
         * @description The URL takes exactly the announced bytes. What isn't completed within a day is forgotten.
         */
        post: operations["create_upload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/files/people/{user_id}/pictures/{file_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A short-lived URL for the picture of somebody's profile, for everybody who is signed in. */
        get: operations["get_picture"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/files/pictures": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Reserves a picture for one's own profile and says where its bytes go.
         * @description The URL takes exactly the announced bytes. Location and camera that a photograph may name stay in it: leave
         *     them out before. What isn't completed, or named by the profile, within a day is forgotten.
         */
        post: operations["create_picture_upload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/files/pictures/{file_id}/complete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Says that the bytes are there. Idempotent.
         * @description They are compared with what was announced, and must begin as an image of that type does. The profile names
         *     the picture after `PATCH /api/account/me` with what comes back.
         */
        post: operations["complete_picture_upload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/files/{file_id}/complete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Says that the bytes are there. Idempotent.
         * @description They are compared with what was announced; from then on members can download the file.
         */
        post: operations["complete_upload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/files/{file_id}/download": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * A short-lived URL for the bytes of a file.
         * @description Images, sound and video are shown where they stand; everything else is saved.
         */
        get: operations["get_download"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        CompletedBody: {
            file: components["schemas"]["File"];
        };
        CompletedPictureBody: {
            /** @description What the profile names it by: `file:<file id>`. */
            picture: string;
        };
        CreatePictureBody: {
            /** @description `image/jpeg`, `image/png` or `image/webp`. */
            content_type: string;
            /** @description Base64 of the SHA-256 of the content. */
            sha256_base64: string;
            /**
             * Format: int64
             * @description 1 to 1,048,576.
             */
            size_bytes: number;
        };
        CreateUploadBody: {
            /** @description A media type; empty: unknown. */
            content_type?: string;
            /** Format: uuid */
            conversation_id: string;
            /** @description 1 to 255 bytes; shown and saved under this name. */
            file_name: string;
            /** @description Base64 of the SHA-256 of the content. */
            sha256_base64: string;
            /**
             * Format: int64
             * @description At least 1; the deployment sets the most, by default 100 MiB.
             */
            size_bytes: number;
        };
        /** @description Where the bytes are, for a short time. */
        DownloadBody: {
            download_url: string;
            /** Format: int32 */
            expires_in_seconds: number;
            file: components["schemas"]["File"];
        };
        /** @description One faulty field of a request. */
        FieldProblem: {
            /** @description Stable code in lower_snake_case. */
            code: string;
            /** @description A sentence for people. */
            detail: string;
            /** @description Path of the field, such as `member_ids[3]`. */
            field: string;
        };
        /** @description A file as members see it. */
        File: {
            content_type: string;
            /** Format: uuid */
            conversation_id: string;
            /** Format: uuid */
            file_id: string;
            file_name: string;
            /** Format: int64 */
            size_bytes: number;
        };
        /** @description Where a picture is, for a short time. */
        PictureBody: {
            content_type: string;
            download_url: string;
            /** Format: int32 */
            expires_in_seconds: number;
            /** Format: int64 */
            size_bytes: number;
        };
        /**
         * @description The body of a refusal: `application/problem+json` (RFC 9457) with a stable `code`, the id of the
         *     trace, and the faulty fields.
         */
        ProblemBody: {
            /** @description Stable, lower_snake_case. */
            code: string;
            detail: string;
            errors?: components["schemas"]["FieldProblem"][];
            /**
             * Format: int32
             * @description HTTP status.
             */
            status: number;
            title: string;
            /** @description Names this request in the logs and traces of the deployment. */
            trace_id?: string | null;
            /** @description `urn:parlance:problem:<code>`. */
            type: string;
        };
        /** @description Where the bytes go: a PUT to this URL with these headers. */
        UploadBody: {
            /** Format: int32 */
            expires_in_seconds: number;
            /** Format: uuid */
            file_id: string;
            /** @description Headers that the PUT must carry. */
            upload_headers: {
                [key: string]: string;
            };
            upload_url: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    create_upload: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateUploadBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadBody"];
                };
            };
            /** @description input_invalid, with every faulty field */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description conversation_unknown, also for who isn't in it */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    get_picture: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Whose profile has it */
                user_id: string;
                file_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PictureBody"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description file_unknown, also for what this person didn't upload as their picture */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description file_not_ready */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    create_picture_upload: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreatePictureBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadBody"];
                };
            };
            /** @description input_invalid, with every faulty field */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description rate_limited: 20 pictures that are not yet forgotten */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    complete_picture_upload: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                file_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CompletedPictureBody"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description file_unknown, also for anybody but its uploader */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description upload_incomplete, upload_mismatch, content_type_mismatch */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    complete_upload: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                file_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CompletedBody"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description file_unknown, also for anybody but its uploader */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description upload_incomplete, upload_mismatch */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
    get_download: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                file_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DownloadBody"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description file_unknown, also for who isn't in its conversation */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            /** @description file_not_ready */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemBody"];
                };
            };
        };
    };
}
