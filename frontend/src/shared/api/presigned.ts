/** Brings bytes to the store of files by the address that the service signed. */

/** What the service wants to know of bytes before they come. */
export async function sha256Base64(bytes: Blob): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await bytes.arrayBuffer());
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}

/** By XMLHttpRequest, because fetch tells nothing about progress. */
export function put(
  { upload_url, upload_headers }: { upload_url: string; upload_headers: Record<string, string> },
  bytes: Blob,
  progressed: (part: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', upload_url);
    for (const [name, value] of Object.entries(upload_headers)) {
      // The browser sets these two itself.
      if (!/^(host|content-length)$/iu.test(name)) request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => progressed(event.loaded / event.total);
    request.onload = () =>
      request.status < 300
        ? resolve()
        : reject(new Error(`the store of files answered ${request.status}`));
    request.onerror = () => reject(new TypeError('the store of files can’t be reached'));
    request.send(bytes);
  });
}
