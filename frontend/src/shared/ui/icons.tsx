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

export const SmileIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M8.5 14.5a4.2 4.2 0 0 0 7 0M9 9.5v.1M15 9.5v.1M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z" />
  </Svg>
);

export const DownloadIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M12 4v11m0 0-4.5-4.5M12 15l4.5-4.5M5 19.5h14" />
  </Svg>
);

export const MoreIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M12 5.5v.1M12 12v.1M12 18.5v.1" />
  </Svg>
);

export const ReplyIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M9.5 6 4 11.5 9.5 17M4.5 11.5h9a6 6 0 0 1 6 6v1" />
  </Svg>
);

export const CopyIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M9 9V5.5A1.5 1.5 0 0 1 10.5 4h8A1.5 1.5 0 0 1 20 5.5v8a1.5 1.5 0 0 1-1.5 1.5H15M5.5 9h8A1.5 1.5 0 0 1 15 10.5v8a1.5 1.5 0 0 1-1.5 1.5h-8A1.5 1.5 0 0 1 4 18.5v-8A1.5 1.5 0 0 1 5.5 9Z" />
  </Svg>
);

export const TrashIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M4.5 7h15M10 7V4.5h4V7M6.5 7l.8 11.6A1.5 1.5 0 0 0 8.8 20h6.4a1.5 1.5 0 0 0 1.5-1.4L17.5 7M10 11v5M14 11v5" />
  </Svg>
);

export const InfoIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M12 11v5.5M12 7.7v.1M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z" />
  </Svg>
);

export const DoubleTickIcon = (look: Look) => (
  <Svg {...look}>
    <path d="m2 12.8 4.2 4.2L15 8M11 15.5l1.5 1.5L22 8" />
  </Svg>
);

export const PinIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M9 4h6l-.8 6 3.3 3.5h-11L9.8 10 9 4ZM12 13.5V20" />
  </Svg>
);

export const BellOffIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M6.5 9.5c0 6-2 6.5-2 7.5h12M9 5.2A5.5 5.5 0 0 1 17.5 9.5c0 2 .2 3.4.6 4.5M10 20a2.2 2.2 0 0 0 4 0M4 4l16 16" />
  </Svg>
);

export const BellIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M6.5 9.5a5.5 5.5 0 0 1 11 0c0 6 2 6.5 2 7.5h-15c0-1 2-1.5 2-7.5ZM10 20a2.2 2.2 0 0 0 4 0" />
  </Svg>
);

export const ArchiveIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M4 5h16v4H4V5ZM5.5 9v9A1.5 1.5 0 0 0 7 19.5h10a1.5 1.5 0 0 0 1.5-1.5V9M10 13h4" />
  </Svg>
);

export const UnreadIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M20.5 11.5a8 8 0 0 1-11.6 7.1L4 20l1.4-4.6A8 8 0 0 1 14 4.3M19 3.5a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4Z" />
  </Svg>
);

export const ContactsIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M18 4H8a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V6a2 2 0 0 0-2-2ZM4 8h3M4 12h3M4 16h3M15.2 9.7a2.2 2.2 0 1 1-4.4 0 2.2 2.2 0 0 1 4.4 0ZM9.5 16.2a3.5 3.5 0 0 1 7 0" />
  </Svg>
);

export const ChartIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M4.5 20v-8h4v8M10 20V4h4v16M15.5 20v-11h4v11M3 20h18" />
  </Svg>
);

export const GearIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M15 12a3 3 0 1 1-6 0 3 3 0 0 1 6 0ZM10.3 3.5h3.4l.5 2.4 1.8 1 2.3-.8 1.7 3-1.8 1.6v2.6l1.8 1.6-1.7 3-2.3-.8-1.8 1-.5 2.4h-3.4l-.5-2.4-1.8-1-2.3.8-1.7-3 1.8-1.6v-2.6L4 9.1l1.7-3 2.3.8 1.8-1 .5-2.4Z" />
  </Svg>
);

export const PlusIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M12 5v14M5 12h14" />
  </Svg>
);

export const LinkIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.300l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3A4 4 0 0 0 11 18.700l1-1" />
  </Svg>
);

export const ShieldIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M12 3.500 5 6v5.500c0 4.200 2.800 7.300 7 9 4.200-1.700 7-4.800 7-9V6l-7-2.500Z" />
  </Svg>
);

export const DeviceIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M4 5.500h16v10H4v-10ZM2.500 19.500h19M9.500 19.500l.5-4M14.500 19.500l-.5-4" />
  </Svg>
);

export const KeyIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M14.500 13.500a5 5 0 1 0-4-4L4 16v4h4v-2.500h2.500V15l1.500-1.500M15.500 8.500v.1" />
  </Svg>
);

export const ForbiddenIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M5.600 5.600l12.800 12.800M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z" />
  </Svg>
);

export const CameraIcon = (look: Look) => (
  <Svg {...look}>
    <path d="M4 8h3.500L9 5.500h6L16.500 8H20v11H4V8ZM15.200 13.200a3.200 3.200 0 1 1-6.400 0 3.200 3.200 0 0 1 6.400 0Z" />
  </Svg>
);
