import type { ComponentProps } from 'react';

const LOOKS = {
  primary:
    'bg-accent text-on-accent hover:bg-accent-strong disabled:opacity-50 px-4 py-2.5 rounded-xl font-medium',
  soft: 'bg-raised hover:bg-hover text-ink px-3.5 py-2 rounded-xl font-medium text-sm disabled:opacity-50',
  plain: 'hover:bg-hover text-ink px-3 py-2 rounded-xl disabled:opacity-50',
  danger: 'text-danger hover:bg-danger/10 px-3 py-2 rounded-xl disabled:opacity-50',
  dangerous:
    'bg-danger-strong text-white hover:brightness-90 px-4 py-2.5 rounded-xl font-medium disabled:opacity-50',
  icon: 'hover:bg-hover text-soft hover:text-ink size-10 rounded-full justify-center disabled:opacity-40',
};

export function Button({
  look,
  className = '',
  ...rest
}: ComponentProps<'button'> & { look: keyof typeof LOOKS }) {
  return (
    <button
      type="button"
      className={`inline-flex shrink-0 cursor-pointer items-center gap-2 transition-colors disabled:cursor-default ${LOOKS[look]} ${className}`}
      {...rest}
    />
  );
}
