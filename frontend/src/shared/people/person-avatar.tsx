import type { ComponentProps } from 'react';
import { Avatar } from '../ui/avatar';
import { usePictureUrl } from './picture';

/** A person as a disc, with the picture that their profile names. */
export function PersonAvatar({
  picture,
  ...disc
}: Omit<ComponentProps<typeof Avatar>, 'pictureUrl'> & { picture: string | undefined }) {
  return <Avatar {...disc} pictureUrl={usePictureUrl(disc.id, picture)} />;
}
