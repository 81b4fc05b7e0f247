"""What every HTTP server of this package needs: access control, security headers, metrics."""
