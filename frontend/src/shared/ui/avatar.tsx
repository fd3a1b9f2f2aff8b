import { backgroundClass } from '../people/colour';

const SIZES = {
  small: 'size-8 text-xs',
  medium: 'size-10 text-sm',
  large: 'size-12 text-base',
  huge: 'size-24 text-3xl',
};

function initials(name: string): string {
  const words = name.split(/[\s._-]+/u).filter((word) => word !== '');
  const first = [...(words[0] ?? '')][0] ?? '?';
  const last = words.length > 1 ? ([...(words.at(-1) ?? '')][0] ?? '') : '';
  return (first + last).toLocaleUpperCase();
}

/** A person or a group as a disc: picture, or initials on a colour of their own. */
export function Avatar({
  id,
  name,
  size,
  pictureUrl,
  isOnline = false,
}: {
  id: string;
  name: string;
  size: keyof typeof SIZES;
  pictureUrl?: string | undefined;
  isOnline?: boolean;
}) {
  return (
    <span className="relative inline-flex shrink-0" aria-hidden="true">
      <span
        className={`${SIZES[size]} ${backgroundClass(id)} inline-flex select-none items-center justify-center overflow-hidden rounded-full font-semibold text-white`}
      >
        {pictureUrl ? (
          <img src={pictureUrl} alt="" loading="lazy" className="size-full object-cover" />
        ) : (
          initials(name)
        )}
      </span>
      {isOnline && (
        <span className="absolute right-0 bottom-0 size-3 rounded-full border-2 border-panel bg-good" />
      )}
    </span>
  );
}
