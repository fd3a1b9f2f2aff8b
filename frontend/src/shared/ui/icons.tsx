import type { ReactNode } from 'react';

interface Look {
  className?: string;
}

function Svg({ className = 'size-5', children }: Look & { children: ReactNode }) {
  return (
    <svg
      className={className}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

export const SearchIcon = (look: Look) => (
  <Svg {...look}>
    <path d="m20 20-4.2-4.2M18 11a7 7 0 1 1-14 0 7 7 0 0 1 14 0Z" />
  </Svg>
);

export const PencilIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M4 20h4L19.5 8.5a2.8 2.8 0 0 0-4-4L4 16v4Zm10-14 4 4" />
  </Svg>
);

export const BackIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M15 5l-7 7 7 7" />
  </Svg>
);

export const CloseIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M6 6l12 12M18 6 6 18" />
  </Svg>
);

export const SendIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M5 12 4 4.5 20.5 12 4 19.5 5 12Zm0 0h7" />
  </Svg>
);

export const ClipIcon = (look: Look) => (
  <Svg {...look}>
    <path d="m20 11.5-8.2 8.2a5.3 5.3 0 0 1-7.5-7.5l8.5-8.5a3.5 3.5 0 0 1 5 5l-8.5 8.5a1.8 1.8 0 0 1-2.5-2.5l7.7-7.7" />
  </Svg>
);

export const ClockIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M12 7.5V12l3 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z" />
  </Svg>
);

export const TickIcon = (look: Look) => (
  <Svg {...look}>
    <path d="m5 12.5 4.5 4.5L19 7.5" />
  </Svg>
);

export const AlertIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M12 7.5v5.5m0 3.2v.1M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z" />
  </Svg>
);

export const DownIcon = (look: Look) => (
  <Svg {...look}>
    <path d="m6 9.5 6 6 6-6" />
  </Svg>
);

export const GroupIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M16 19v-1a4 4 0 0 0-4-4H7a4 4 0 0 0-4 4v1M13 7.5a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0ZM21 19v-1a4 4 0 0 0-3-3.8M16 4.2a3.5 3.5 0 0 1 0 6.6" />
  </Svg>
);

export const PersonIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M19.5 20v-1a4.5 4.5 0 0 0-4.5-4.5H9A4.5 4.5 0 0 0 4.5 19v1M15.5 8a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0Z" />
  </Svg>
);

export const DoorIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4M15 8l4 4-4 4M19 12H9" />
  </Svg>
);

export const FileIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M13.5 3.5H7a2 2 0 0 0-2 2v13a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V9l-5.5-5.5Zm0 0V9H19" />
  </Svg>
);

export const SunIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0ZM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M18.4 5.6l-1.1 1.1M6.7 17.3l-1.1 1.1" />
  </Svg>
);

export const ChatIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M20.5 11.5a8 8 0 0 1-11.6 7.1L4 20l1.4-4.6a8 8 0 1 1 15.1-3.9Z" />
  </Svg>
);
