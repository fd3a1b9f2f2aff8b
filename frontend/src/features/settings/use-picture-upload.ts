import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { read } from '@/shared/api/conversations';
import { put, sha256Base64 } from '@/shared/api/presigned';
import { pictureKey } from '@/shared/people/picture';
import { keepPicture } from '@/shared/people/picture-store';
import { useSignedIn } from '@/shared/session/context';
import { squarePicture } from './square-picture';

/** Uploads a picture for one's profile. What comes back is what the profile names it by. */
export function usePictureUpload(onUploaded: (picture: string) => void) {
  const { api, user } = useSignedIn();
  const queries = useQueryClient();
  const [progress, setProgress] = useState(0);
  const uploading = useMutation({
    mutationFn: async (file: File) => {
      setProgress(0);
      const square = await squarePicture(file);
      const body = {
        content_type: square.type,
        size_bytes: square.size,
        sha256_base64: await sha256Base64(square),
      };
      const created = read(await api.files.POST('/api/files/pictures', { body }));
      const { file_id } = created;
      await put(created, square, setProgress);
      const path = '/api/files/pictures/{file_id}/complete';
      const completed = read(await api.files.POST(path, { params: { path: { file_id } } }));
      // It is here already: it needn't come back.
      const address = await keepPicture(user.user_id, file_id, square);
      queries.setQueryData(pictureKey(user.user_id, file_id), address);
      return completed.picture;
    },
    onSuccess: onUploaded,
  });
  return { ...uploading, progress };
}
