import { type ComponentProps, useId } from 'react';

/** A labelled input with its error beside it, for eyes and for screen readers. */
export function Field({
  label,
  error,
  hint,
  ...input
}: ComponentProps<'input'> & { label: string; error?: string | undefined; hint?: string }) {
  const id = useId();
  const note = error ?? hint;
  return (
    <div className="grid grid-cols-1 gap-1.5">
      <label htmlFor={id} className="font-medium text-sm">
        {label}
      </label>
      <input
        id={id}
        className="rounded-xl border border-line bg-panel px-3.5 py-2.5 outline-none transition-colors placeholder:text-soft focus:border-accent focus:ring-3 focus:ring-accent/20 aria-invalid:border-danger"
        aria-invalid={error !== undefined}
        aria-describedby={note ? `${id}-note` : undefined}
        {...input}
      />
      {note && (
        <p id={`${id}-note`} className={`text-sm ${error ? 'text-danger' : 'text-soft'}`}>
          {note}
        </p>
      )}
    </div>
  );
}
