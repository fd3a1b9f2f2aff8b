/** Side of what is uploaded, in pixels: large enough for the largest disc on a dense screen. */
const SIDE = 256;

/** The file is no picture that this browser can draw. */
export class NotAPicture extends Error {
  override name = 'NotAPicture';
}

/** The largest square in the middle of a picture: its left and upper edge, and its side. */
export function middleSquare(width: number, height: number) {
  const side = Math.min(width, height);
  return { x: (width - side) / 2, y: (height - side) / 2, side };
}

/**
 * A picture as it is uploaded: the square in its middle, drawn anew. Nothing is left of what a camera wrote
 * into the file, such as the place; only that it was turned is heeded.
 */
export async function squarePicture(file: Blob): Promise<Blob> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new NotAPicture();
  });
  try {
    const canvas = document.createElement('canvas');
    canvas.width = SIDE;
    canvas.height = SIDE;
    const context = canvas.getContext('2d');
    if (!context) throw new NotAPicture();
    context.imageSmoothingQuality = 'high';
    const { x, y, side } = middleSquare(bitmap.width, bitmap.height);
    context.drawImage(bitmap, x, y, side, side, 0, 0, SIDE, SIDE);
    return await new Promise((resolve, reject) => {
      // Browsers that write no WebP give PNG, which is taken as well.
      canvas.toBlob(
        (blob) => (blob ? resolve(blob) : reject(new NotAPicture())),
        'image/webp',
        0.9,
      );
    });
  } finally {
    bitmap.close();
  }
}
