/** Brings a file to the store: announced to the service, sent by its presigned address, confirmed. */
import { useCallback, useState } from 'react';
import { read, type ServerApi } from '@/shared/api/conversations';
import { sentence } from '@/shared/api/problem';
import { useSignedIn } from '@/shared/session/context';

export interface Upload {
  key: number;
  fileName: string;
  /** 0 to 1. */
  progress: number;
  fileId?: string;
  error?: string;
}

export interface Uploads {
  all: Upload[];
  add: (files: Iterable<File>) => void;
  remove: (key: number) => void;
  clear: () => void;
}

export const FILES_AT_MOST = 10;

let keys = 0;

export function useUploads(conversationId: string): Uploads {
  const { api } = useSignedIn();
  const [uploads, setUploads] = useState<Upload[]>([]);
  const add = useCallback(
    (files: Iterable<File>) => {
      for (const file of files) {
        keys += 1;
        const key = keys;
        const change = (part: Partial<Upload>) =>
          setUploads((all) => all.map((one) => (one.key === key ? { ...one, ...part } : one)));
        setUploads((all) => [...all, { key, fileName: file.name, progress: 0 }]);
        upload(api, conversationId, file, (progress) => change({ progress })).then(
          (fileId) => change({ fileId, progress: 1 }),
          (error: unknown) => change({ error: sentence(error) }),
        );
      }
    },
    [api, conversationId],
  );
  const remove = useCallback(
    (key: number) => setUploads((all) => all.filter((one) => one.key !== key)),
    [],
  );
  const clear = useCallback(() => setUploads([]), []);
  return { all: uploads, add, remove, clear };
}

export async function upload(
  api: ServerApi,
  conversation_id: string,
  file: File,
  progressed: (part: number) => void,
): Promise<string> {
  const created = read(
    await api.files.POST('/api/files', {
      body: {
        conversation_id,
        file_name: file.name,
        content_type: file.type || 'application/octet-stream',
        size_bytes: file.size,
        sha256_base64: await sha256Base64(file),
      },
    }),
  );
  await put(created.upload_url, created.upload_headers, file, progressed);
  const params = { path: { file_id: created.file_id } };
  read(await api.files.POST('/api/files/{file_id}/complete', { params }));
  return created.file_id;
}

async function sha256Base64(file: File): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}

/** By XMLHttpRequest, because fetch tells nothing about progress. */
function put(
  url: string,
  headers: Record<string, string>,
  file: File,
  progressed: (part: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    for (const [name, value] of Object.entries(headers)) {
      // The browser sets these two itself.
      if (!/^(host|content-length)$/iu.test(name)) request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => progressed(event.loaded / event.total);
    request.onload = () =>
      request.status < 300
        ? resolve()
        : reject(new Error(`the store of files answered ${request.status}`));
    request.onerror = () => reject(new TypeError('the store of files can’t be reached'));
    request.send(file);
  });
}
