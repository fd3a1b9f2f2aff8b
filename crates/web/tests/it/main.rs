//! The origin, with services behind it that only echo.

#[cfg(test)]
mod origin;
