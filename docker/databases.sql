-- One for each service: none reads another's tables.
create database account;
create database conversation;
create database file_upload;
