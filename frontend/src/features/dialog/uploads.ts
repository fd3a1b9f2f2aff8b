/** Brings a file to the store: announced to the service, sent by its presigned address, confirmed. */
import { useCallback, useEffect, useState } from 'react';
import { read, type ServerApi } from '@/shared/api/conversations';
import type { components } from '@/shared/api/generated/file-upload';
import { put, sha256Base64 } from '@/shared/api/presigned';
import { sentence } from '@/shared/api/problem';
import { useSignedIn } from '@/shared/session/context';
import { isPicture } from './use-download';

export interface Upload {
  key: number;
  fileName: string;
  /** Of a picture, while it is here: an address inside the browser. */
  previewUrl?: string;
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
  const { api, engine } = useSignedIn();
  const [uploads, setUploads] = useState<Upload[]>([]);
  const previews = usePreviews(uploads);
  const add = useCallback(
    (files: Iterable<File>) => {
      for (const file of files) {
        keys += 1;
        const key = keys;
        const change = (part: Partial<Upload>) =>
          setUploads((all) => all.map((one) => (one.key === key ? { ...one, ...part } : one)));
        const added = { key, fileName: file.name, progress: 0, ...previews.of(file) };
        setUploads((all) => [...all, added]);
        upload(api, conversationId, file, (progress) => change({ progress })).then(
          async ({ file_id, file_name, content_type, size_bytes }) => {
            await engine.database.files.put({ file_id, file_name, content_type, size_bytes });
            change({ fileId: file_id, progress: 1 });
          },
          (error: unknown) => change({ error: sentence(error) }),
        );
      }
    },
    [api, engine, conversationId, previews],
  );
  const remove = useCallback(
    (key: number) => setUploads((all) => all.filter((one) => one.key !== key)),
    [],
  );
  const clear = useCallback(() => setUploads([]), []);
  return { all: uploads, add, remove, clear };
}

/** Addresses of pictures that are still here, given back once nothing shows them. */
function usePreviews(uploads: readonly Upload[]) {
  const [previews] = useState(() => {
    const given = new Set<string>();
    return {
      of(file: File): { previewUrl?: string } {
        if (!isPicture(file.type)) return {};
        const previewUrl = URL.createObjectURL(file);
        given.add(previewUrl);
        return { previewUrl };
      },
      keepOnly(shown: ReadonlySet<string | undefined>): void {
        for (const url of given) {
          if (shown.has(url)) continue;
          URL.revokeObjectURL(url);
          given.delete(url);
        }
      },
    };
  });
  useEffect(
    () => previews.keepOnly(new Set(uploads.map(({ previewUrl }) => previewUrl))),
    [previews, uploads],
  );
  useEffect(() => () => previews.keepOnly(new Set()), [previews]);
  return previews;
}

export async function upload(
  api: ServerApi,
  conversation_id: string,
  file: File,
  progressed: (part: number) => void,
): Promise<components['schemas']['File']> {
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
  await put(created, file, progressed);
  const params = { path: { file_id: created.file_id } };
  return read(await api.files.POST('/api/files/{file_id}/complete', { params })).file;
}
