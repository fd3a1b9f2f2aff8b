/** Pictures that people uploaded, fetched once and kept on the device. What an id names never changes. */
import { read, type ServerApi } from '../api/conversations';

const CACHE = 'parlance-pictures';
/** Some 20 kB each. */
const KEPT = 500;

/** A picture as an address that an image takes. */
export async function pictureOf(api: ServerApi, userId: string, fileId: string): Promise<string> {
  const known = await (await store())?.match(keyOf(userId, fileId));
  if (known) return addressOf(await known.blob());
  const path = { user_id: userId, file_id: fileId };
  const { download_url } = read(
    await api.files.GET('/api/files/people/{user_id}/pictures/{file_id}', { params: { path } }),
  );
  const answer = await fetch(download_url);
  if (!answer.ok) throw new Error(`the store of files answered ${answer.status}`);
  return keepPicture(userId, fileId, await answer.blob());
}

/** Keeps a picture that is at hand, and returns its address. */
export async function keepPicture(userId: string, fileId: string, picture: Blob): Promise<string> {
  const cache = await store();
  if (cache) {
    try {
      await cache.put(keyOf(userId, fileId), new Response(picture));
      const keys = await cache.keys();
      // In the order in which they came.
      await Promise.all(keys.slice(0, -KEPT).map((key) => cache.delete(key)));
    } catch (error) {
      // The device is full: it is fetched again when it is needed.
      console.warn('a picture was not kept', error);
    }
  }
  return addressOf(picture);
}

export async function forgetPictures(): Promise<void> {
  await globalThis.caches?.delete(CACHE);
}

/** Plain HTTP from another machine has none. */
async function store(): Promise<Cache | undefined> {
  return globalThis.caches?.open(CACHE);
}

const keyOf = (userId: string, fileId: string) => `/pictures/${userId}/${fileId}`;

/** With the content in it, so that nothing has to be given back. */
function addressOf(picture: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(picture);
  });
}
